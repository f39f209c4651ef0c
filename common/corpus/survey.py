"""What a data folder holds, from the headers of its files: nothing is decoded."""

from dataclasses import dataclass
from pathlib import Path

from gesturebench.common.corpus.beat2 import ANNOTATIONS, FPS, Beat2Folder, clip_length
from gesturebench.common.corpus.names import EMOTIONS, ClipName
from gesturebench.common.progress import Progress, silent


@dataclass(frozen=True, slots=True)
class ClipFacts:
    """A clip as its name, headers and neighbours describe it; `split` may be empty."""

    id: str
    speaker: int
    speaker_name: str
    emotion: str
    split: str
    seconds: float
    dropped_frames: int
    annotations: tuple[str, ...]


@dataclass(frozen=True)
class Survey:
    """All clips of a folder."""

    root: Path
    clips: tuple[ClipFacts, ...]

    @property
    def seconds(self) -> float:
        """Of motion that has audio."""
        return sum(clip.seconds for clip in self.clips)

    @property
    def dropped_frames(self) -> int:
        """Frames of motion beyond the end of the audio."""
        return sum(clip.dropped_frames for clip in self.clips)

    def groups(self) -> dict[str, dict[str, list[ClipFacts]]]:
        """The clips by split, speaker, emotion and annotation."""
        groups: dict[str, dict[str, list[ClipFacts]]] = {"split": {}, "speaker": {}, "emotion": {}, "annotation": {}}
        for clip in sorted(self.clips, key=lambda clip: clip.speaker):
            groups["split"].setdefault(clip.split or "(none)", []).append(clip)
            groups["speaker"].setdefault(f"{clip.speaker} {clip.speaker_name}", []).append(clip)
            for name in clip.annotations:
                groups["annotation"].setdefault(name, []).append(clip)
        for emotion in EMOTIONS:
            clips = [clip for clip in self.clips if clip.emotion == emotion]
            groups["emotion"] |= {emotion: clips} if clips else {}
        return {title: group for title, group in groups.items() if group}


def survey(root: Path, progress: Progress = silent) -> Survey:
    """Look at every clip of a folder; a file whose header cannot be read is an `InputError`."""
    folder, clips = Beat2Folder(root), []
    ids, splits = folder.ids(), folder.splits if folder.has_split else {}
    for done, clip_id in enumerate(ids, start=1):
        name = ClipName.parse(clip_id)
        frames, samples = folder.lengths(clip_id)
        kept, _ = clip_length(frames, samples)
        there = tuple(kind for kind in ANNOTATIONS if folder.has(kind, clip_id))
        split, said = splits.get(clip_id, ""), clip_id.split("_")[1]
        facts = (name.speaker, said, EMOTIONS[name.emotion], split, kept / FPS, frames - kept, there)
        clips.append(ClipFacts(clip_id, *facts))
        progress(done, len(ids))
    return Survey(folder.root, tuple(clips))

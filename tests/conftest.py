"""One thread per process, as in every worker: more were measured to be ten times slower on operators this small."""

from gesturebench.common.threads import announce_threads

announce_threads()

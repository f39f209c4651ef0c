"""Plans on a SLURM cluster. Nothing is here yet: plans run on one machine, through `gesturebench.benchmarks.runner`."""

"""Plans on a Slurm cluster: the steps of a plan as job arrays, and what Slurm says of them. The work itself is done by
`gesturebench.benchmarks.runner`, as on one machine."""

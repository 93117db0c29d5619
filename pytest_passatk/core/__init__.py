"""The core: values, contracts and arithmetic. It imports the standard library and numpy, nothing else."""

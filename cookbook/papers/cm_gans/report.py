from pathlib import Path


def report(run, name, seed):
    raise NotImplementedError

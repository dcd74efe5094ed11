"""Carries out a Dockerfile without Docker: the files of each stage, and how the image starts."""

import fnmatch
import json
import re
import shutil
from pathlib import Path


class Stage:
    """What one FROM begins: its folder of files, and what the rest of it says."""

    def __init__(self, base, root):
        self.base, self.root = base, root
        self.workdir, self.user, self.entrypoint, self.cmd, self.healthcheck = "/", None, [], [], None
        self.labels = {}
        root.mkdir(parents=True)

    def path(self, name):
        """A path of the image, on this machine."""
        return self.root / str(Path(self.workdir) / name).lstrip("/")


def instructions(text):
    """The lines of a Dockerfile: instruction and argument, continued lines joined, comments left out."""
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("#"))
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [line.split(maxsplit=1) for line in joined.splitlines() if line.strip()]


def is_ignored(path, patterns):
    """Whether `.dockerignore` leaves a path of the context out, or a folder above it."""
    parts = Path(path).parts
    above = ["/".join(parts[: i + 1]) for i in range(len(parts))]
    return any(fnmatch.fnmatch(each, pattern) or fnmatch.fnmatch(f"/{each}", pattern) for pattern in patterns for each in above)


def copied(source, target, context, patterns):
    """Copies a file or folder, without what is ignored below the context (of another stage: nothing is)."""

    def ignored(folder, names):
        if context is None:
            return set()
        inside = Path(folder).relative_to(context)
        return {name for name in names if is_ignored(inside / name, patterns)}

    if context is not None and is_ignored(source.relative_to(context), patterns):
        raise FileNotFoundError(f"{source.relative_to(context)}: .dockerignore leaves it out")
    if source.is_dir():
        shutil.copytree(source, target, ignore=ignored, dirs_exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)


def carry_out(dockerfile, context, place, run):
    """The stages of a Dockerfile, the last one being the image. `run(stage, command)` does what a RUN says."""
    ignore = context / ".dockerignore"
    lines = ignore.read_text().splitlines() if ignore.exists() else []
    # `**/` is any number of folders, none among them.
    patterns = [line.strip().replace("**/", "*/") for line in lines if line.strip() and not line.startswith("#")]
    stages, named = [], {}
    for instruction, argument in instructions(dockerfile.read_text()):
        stage = stages[-1] if stages else None
        match instruction:
            case "FROM":
                base, _, name = argument.partition(" AS ")
                stages.append(Stage(base, place / f"stage-{len(stages)}"))
                named[name or str(len(stages) - 1)] = stages[-1]
            case "WORKDIR":
                stage.workdir = argument
                stage.path(".").mkdir(parents=True, exist_ok=True)
            case "COPY":
                origin = re.match(r"--from=(\S+) ", argument)
                *sources, target = re.sub(r"^(--\S+ )+", "", argument).split()
                for source in sources:
                    start = named[origin[1]].root if origin else context
                    path = start / source.lstrip("/")
                    to = stage.path(target)
                    inside = target.endswith("/") and not path.is_dir()
                    copied(path, to / path.name if inside else to, None if origin else context, patterns)
            case "RUN":
                run(stage, argument)
            case "USER":
                stage.user = tuple(int(part) for part in argument.split(":"))
            case "ENTRYPOINT":
                stage.entrypoint = json.loads(argument)
            case "CMD":
                stage.cmd = json.loads(argument)
            case "HEALTHCHECK":
                stage.healthcheck = json.loads(argument.split("CMD ")[1])
            case "LABEL":
                stage.labels |= dict(re.findall(r'(\S+)="([^"]*)"', argument))
            case other:
                raise ValueError(f"{other}: not known here")
    return stages

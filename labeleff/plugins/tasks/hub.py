"""Image data sets as Parquet or Arrow: files of yours, and data sets of the Hugging Face Hub by name and revision.

From a hub only tables and images are fetched, and nothing of it is executed. A data set whose files are images by
class, in folders `train` and `test`, is read as such.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from labeleff.catalogue.declaration import OptionValue
from labeleff.errors import DataError
from labeleff.plugins.tasks.folder import load_folder
from labeleff.plugins.tasks.pictures.class_folders import SUFFIXES
from labeleff.plugins.tasks.pictures.making import Origin, Part, make_task
from labeleff.training.examples import Source, Task

FOLDER = "hf"
PATTERNS = ["*.parquet", "*.arrow", *(f"*{suffix}" for suffix in sorted(SUFFIXES))]
"""Files that are fetched from a hub."""


def parquet(options: Mapping[str, OptionValue], source: Source) -> Task:
    """Load the task in a file or folder of tables, `options["path"]`; DataError where it isn't one."""
    root = source.place(str(options["path"]))
    if not root.exists():
        raise DataError(f"{root}: not there; expected a folder of .parquet files, or of what `save_to_disk` writes")
    return _load("parquet/classify", root, f"tables in {root}", options, source)


def hugging_face(options: Mapping[str, OptionValue], source: Source) -> Task:
    """Load the data set `options["repo"]` at `options["revision"]`; DataError where it can't be had."""
    from labeleff.plugins.tasks.pictures.arrow_tables import table_files

    repo, folder = str(options["repo"]), _snapshot(str(options["repo"]), str(options["revision"]), source)
    root = folder / str(options["config"])
    provenance = f"Hugging Face data set {repo}, commit {folder.name}"
    if table_files(root):
        return _load("hf/classify", root, provenance, options, source)
    return load_folder(root, "hf/classify", provenance, options, source)


def _snapshot(repo: str, revision: str, source: Source) -> Path:
    """Folder of a data set's files at a revision; it is named by the commit."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    try:
        return Path(
            snapshot_download(
                repo,
                repo_type="dataset",
                revision=revision,
                cache_dir=source.folder / FOLDER,
                local_files_only=source.offline,
                allow_patterns=PATTERNS,
            )
        )
    except (HfHubHTTPError, OSError, ValueError) as error:
        said = (str(error).splitlines() or [type(error).__name__])[0]
        also = ", and offline nothing is fetched" if source.offline else ""
        raise DataError(
            f"Hugging Face data set {repo} at {revision} can't be had{also}: {said} Run once with network access and "
            f"without --offline, or give a folder of its files to parquet/classify; {source.folder / FOLDER} keeps it"
        ) from error


def _load(name: str, root: Path, provenance: str, options: Mapping[str, OptionValue], source: Source) -> Task:
    from labeleff.plugins.tasks.pictures.arrow_tables import TableSplit, numbered, of_split, table_files

    files, columns = table_files(root), [str(options[key]) for key in ("image_column", "label_column")]
    chosen = {split: of_split(files, root, str(options[f"{split}_split"])) for split in ("train", "test")}
    if both := set(chosen["train"]) & set(chosen["test"]):
        raise DataError(f"{min(both)}: found both splits' names in its path, expected one; rename it")
    splits = [TableSplit.of(paths, *columns) for paths in chosen.values()]
    classes, labels = numbered([split.values() for split in splits], splits[0].names, str(root))
    background = str(options["background"])
    parts = [Part(len(of), split.pictures(background), of) for split, of in zip(splits, labels, strict=True)]
    unread = [path for path in files if path not in chosen["train"] and path not in chosen["test"]]
    said = [f"{root}: not read: {len(unread):,} files of other splits, first {unread[0].name}"] if unread else []
    facts = {"not read": {"of other splits": len(unread)}} if unread else {}
    return make_task(Origin(name, classes, provenance, f"images of {root.name}", facts, said), parts, options, source)

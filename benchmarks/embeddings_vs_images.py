"""Accuracies from files of features against those of the same encoders on the images, cell by cell.

`python benchmarks/embeddings_vs_images.py IMAGES FEATURES` takes two folders of runs with the same draws of labels.
Prints, per encoder, the cells, those with the same labels, and the largest difference of accuracy and of U(n).
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

import labeleff


def accuracies(folder: Path) -> dict[tuple[str, int, int], tuple[float, str]]:
    """Accuracy and SHA-256 of the labels of every cell of `linear`, by encoder, label count and draw."""
    found = {}
    for record in labeleff.read_records(folder).cells.values():
        cell = record.cell
        if cell.protocol.name == "linear" and record.status == "ok":
            encoder = str(cell.pretext.options.get("of", cell.pretext.name))
            found[encoder, cell.n, cell.draw] = (float(record.metrics["accuracy"] or 0), str(record.indices_sha256))
    return found


def utilities(folder: Path) -> pd.DataFrame:
    """U(n) of `linear` by encoder and label count."""
    table = pd.read_csv(folder / "utility.csv")
    table = table[table["arm"].str.endswith("/linear")]
    encoder = table["arm"].str.replace("embedding(of=", "", regex=False).str.split("[)/]", regex=True).str[0]
    return table.assign(encoder=encoder).set_index(["encoder", "n"])[["utility"]]


def main(images: Path, features: Path) -> None:
    """Print the comparison; exit status 1 where a cell is missing or has other labels."""
    ours, theirs = accuracies(features), accuracies(images)
    both = utilities(features).join(utilities(images).add_suffix("_images"))
    wrong = ours.keys() ^ theirs.keys()
    print("| encoder | cells | same labels | largest difference of accuracy | largest difference of U(n) |")
    print("|---|---|---|---|---|")
    for encoder in sorted({key[0] for key in ours}):
        cells = [key for key in ours if key[0] == encoder and key in theirs]
        same = sum(ours[key][1] == theirs[key][1] for key in cells)
        gap = max(abs(ours[key][0] - theirs[key][0]) for key in cells)
        rows = both[both.index.get_level_values("encoder") == encoder]
        apart = (rows["utility"] / rows["utility_images"] - 1).abs().max()
        utility = "" if pd.isna(apart) else f"{apart:.2%}"
        wrong |= {key for key in cells if ours[key][1] != theirs[key][1]}
        print(f"| {encoder} | {len(cells)} | {same} | {gap:.5f} | {utility} |")
    if wrong:
        sys.exit(f"{len(wrong)} cells are missing or have other labels, such as {sorted(wrong)[0]}")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))

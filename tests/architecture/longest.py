"""Prints the ten longest functions and files: where to look first when something feels too big."""

from __future__ import annotations

import heapq

from tests.architecture.rules import lengths
from tests.architecture.sources import modules


def main() -> None:
    found = list(modules())
    in_functions = ((lines, f"{each.path}:{name}") for each in found for lines, name in lengths(each.tree))
    in_files = ((each.text.count("\n"), str(each.path)) for each in found)
    for title, rows in (("functions", in_functions), ("files", in_files)):
        print(f"The longest {title}, in lines:")
        for lines, name in heapq.nlargest(10, rows):
            print(f"{lines:6} {name}")


if __name__ == "__main__":
    main()

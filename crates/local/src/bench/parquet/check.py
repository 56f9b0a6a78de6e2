"""Whether our CSV and DuckDB's hold the rows of the files, read by DuckDB with the types given.

Arguments: the directory with the files, the directory with our CSV's parts, DuckDB's CSV, and where to put ours whole.
Prints the number of rows, and fails where one of the three differs.
"""

import shutil
import sys
from pathlib import Path

import duckdb


def main():
    files, parts, theirs, ours = sys.argv[1:]
    with open(ours, "wb") as whole:
        for part in sorted(Path(parts).iterdir()):
            with open(part, "rb") as content:
                shutil.copyfileobj(content, whole)
    connection = duckdb.connect()
    connection.execute("SET timezone = 'UTC'")
    source = f"read_parquet('{files}/**/*.parquet')"
    described = connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
    types = {name: kind for name, kind, *_ in described}

    def sums(table):
        row = f"hash({', '.join(types)})::HUGEINT"
        return connection.execute(f"SELECT count(*), sum({row}), sum({row} % 1000003) FROM {table}").fetchone()

    def csv(path):
        return (
            f"read_csv('{path}', header = true, columns = {types}, nullstr = '', allow_quoted_nulls = false, "
            "quote = '\"', escape = '\"', delim = ',')"
        )

    expected, of_ours, of_theirs = sums(source), sums(csv(ours)), sums(csv(theirs))
    if not expected == of_ours == of_theirs:
        sys.exit(f"the files have {expected}, our CSV {of_ours}, DuckDB's {of_theirs}")
    print(expected[0])


main()

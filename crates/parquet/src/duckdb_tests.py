"""Whether a CSV, read with the types given, has the rows of a file of Parquet, both read by DuckDB.

Arguments: the file, the CSV, and for each column that is not as DuckDB reads it from the file, `name=expression` in its
place. Prints the rows that only one of them has, and fails where there are any.
"""

import sys

import duckdb

parquet, csv, *others = sys.argv[1:]
others = dict(other.split("=", 1) for other in others)
connection = duckdb.connect(config={"threads": 1})
connection.execute("SET timezone = 'UTC'")
described = connection.execute(f"DESCRIBE SELECT * FROM read_parquet('{parquet}')").fetchall()
# Bytes are texts in a CSV.
types = {name: "VARCHAR" if kind == "BLOB" or name in others else kind for name, kind, *_ in described}


def text(name, kind):
    if name in others:
        return f'{others[name]} AS "{name}"'
    return f"'\\x' || lower(hex(\"{name}\"))" if kind == "BLOB" else f'"{name}"'


meant = ", ".join(text(name, kind) for name, kind, *_ in described)
written = (
    f"read_csv('{csv}', header = true, columns = {types}, nullstr = '', allow_quoted_nulls = false, delim = ',', "
    "quote = '\"', escape = '\"')"
)
file = f"SELECT {meant} FROM read_parquet('{parquet}')"
count = connection.execute(f"SELECT (SELECT count(*) FROM ({file})), (SELECT count(*) FROM {written})").fetchone()
rows = connection.execute(
    f"(({file}) EXCEPT ALL FROM {written}) UNION ALL (FROM {written} EXCEPT ALL ({file}))"
).fetchall()
for row in rows:
    print(str(row)[:2000])
print(f"{count[0]} rows in the file, {count[1]} in the CSV, {len(rows)} differ")
sys.exit(1 if rows or count[0] != count[1] or count[0] == 0 else 0)

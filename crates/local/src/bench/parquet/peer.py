"""Another way from Parquet to CSV, on one thread: DuckDB's COPY, or pyarrow batch by batch.

Arguments: duckdb or pyarrow, the directory with the files, and the CSV. Prints seconds, processor seconds and the peak
of the whole process; the seconds are without Python's start.
"""

import json
import resource
import sys
import time
from pathlib import Path


def with_duckdb(files, target):
    import duckdb

    connection = duckdb.connect(config={"threads": 1})
    connection.execute("SET timezone = 'UTC'")
    names = "[" + ", ".join(f"'{name}'" for name in files) + "]"

    def convert():
        connection.execute(f"COPY (SELECT * FROM read_parquet({names})) TO '{target}' (FORMAT csv, HEADER)")

    return convert


def with_pyarrow(files, target):
    import pyarrow
    import pyarrow.csv
    import pyarrow.parquet

    pyarrow.set_cpu_count(1)
    pyarrow.set_io_thread_count(1)

    def convert():
        schema = pyarrow.parquet.read_schema(files[0])
        with pyarrow.csv.CSVWriter(target, schema) as writer:
            for name in files:
                with pyarrow.parquet.ParquetFile(name) as file:
                    for batch in file.iter_batches(use_threads=False):
                        writer.write_batch(batch)

    return convert


def main():
    way, directory, target = sys.argv[1:]
    files = sorted(Path(directory).glob("**/*.parquet"), key=lambda path: int(path.parent.name))
    convert = {"duckdb": with_duckdb, "pyarrow": with_pyarrow}[way]([str(name) for name in files], target)
    before, began = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    convert()
    ended, after = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps({"wall_s": ended - began, "cpu_s": cpu, "peak_kib": after.ru_maxrss}))


main()

"""Packs one binary as the `bootstrap` of a Lambda zip: the same binary, the same bytes.

usage: zip-bootstrap.py BINARY ZIP
"""

import io
import os
import pathlib
import sys
import zipfile


def pack(binary: bytes) -> bytes:
    entry = zipfile.ZipInfo("bootstrap", date_time=(1980, 1, 1, 0, 0, 0))
    entry.create_system = 3  # Unix: or the mode below would not count
    entry.external_attr = 0o100755 << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(entry, binary, compresslevel=9)
    return out.getvalue()


def main() -> None:
    source, target = (pathlib.Path(argument) for argument in sys.argv[1:3])
    packed = pack(source.read_bytes())
    if target.exists() and target.read_bytes() == packed:
        return
    new = target.with_suffix(".zip.new")
    new.write_bytes(packed)
    os.replace(new, target)


if __name__ == "__main__":
    main()

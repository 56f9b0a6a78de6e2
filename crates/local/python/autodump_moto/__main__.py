"""`python -m autodump_moto -H 127.0.0.1 -p PORT`: moto's server with every patch applied."""

import sys

from autodump_moto import apply_all

apply_all()

from moto.server import main  # noqa: E402  (the patches come first)

main(sys.argv[1:])

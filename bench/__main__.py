"""`python -m bench` is `python -m bench.cost`."""

import sys

from bench.cost import main

sys.exit(main())

import sys

from contlm.cli import main

sys.exit(main())

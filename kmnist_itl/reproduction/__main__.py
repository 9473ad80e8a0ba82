"""`python -m kmnist_itl.reproduction figures|plan|train|colab`: see command.py."""

import sys

from kmnist_itl.reproduction import command

if __name__ == "__main__":
    sys.exit(command.main())

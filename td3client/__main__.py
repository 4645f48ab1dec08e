"""`python -m td3client`, the same as `td3`."""

from td3client.cli import main

if __name__ == "__main__":
    main()

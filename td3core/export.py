"""`python -m td3core.export SUMMARY OUT`: the name under which archives refer to `td3core.summary.export`."""

from td3core.summary.export import main

if __name__ == "__main__":
    main()

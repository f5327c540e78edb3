"""What the tests of the program as a whole share."""

import os

import pytest

from tests import commands


@pytest.fixture
def run(platform_process, tmp_path):
    """Run a command of the program against the platform; more variables of its environment may be given."""

    def call(*arguments, **more):
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "PRIME_API_KEY": platform_process.api_key,
            "PRIME_API_BASE_URL": platform_process.base_url,
            **more,
        }
        return commands.run(arguments, env=environment)

    return call

"""Three kinds of unfinished work in a file, as one program begins, claims and finishes it."""

from sandtui.client import CreateSandboxRequest
from sandtui.config.jobs import JobFile
from sandtui.config.journal import LaunchJournal
from sandtui.config.transfers import TransferJournal
from sandtui.fleet.jobs.job import Chain, ChainStep, Job, JobKey, JobState
from sandtui.fleet.transfers.model import Location, Transfer, TransferSpec

KEY = JobKey("sbx_1", "0a1b2c3d")


class Launches:
    def __init__(self, folder):
        self.journal = LaunchJournal(folder / "journal.sqlite3")

    def begin(self):
        self.journal.begin("one", "local", [CreateSandboxRequest(name="n", docker_image="x", idempotency_key="k")])

    def claim(self):
        return len(self.journal.claim("local").launches)

    def finish(self):
        self.journal.finish("one")

    def close(self):
        self.journal.close()


class Transfers:
    def __init__(self, folder):
        self.file = TransferJournal.open(folder / "transfers.sqlite3")
        self.journal = TransferJournal(self.file, "local")

    def begin(self):
        self.journal.save(Transfer("one", TransferSpec(Location("/a"), Location("/b", "sbx_1"), "batch")), 0)
        self.journal.unfinished()  # what was asked for before is done then

    def claim(self):
        return len(self.journal.claim().transfers)

    def finish(self):
        self.journal.drop("one")
        self.journal.unfinished()

    def close(self):
        self.file.close()


class Chains:
    def __init__(self, folder):
        self.file = JobFile(folder / "jobs.sqlite3")

    def begin(self):
        self.file.save("local", [Job(KEY, JobState.DONE)])
        self.file.save_chain("local", KEY, Chain(delete=True))
        self.file.claim_chain("local", KEY)

    def claim(self):
        return int(self.file.claim_chain("local", KEY))

    def finish(self):
        self.file.save_chain("local", KEY, Chain(delete=True, step=ChainStep.DONE))

    def close(self):
        self.file.close()


STORES = {"launch": Launches, "transfer": Transfers, "chain": Chains}

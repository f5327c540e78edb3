"""What happens after several jobs: no two download to the same place."""

from sandtui.fleet.jobs.chains import chains_of
from sandtui.fleet.jobs.job import Chain, Job, JobKey, JobState


def job(sandbox_id, job_id, name):
    return Job(JobKey(sandbox_id, job_id), JobState.RUNNING, name)


def test_each_job_downloads_to_a_place_of_its_own():
    jobs = [
        job("sbx_1", "00000001", "web"),
        job("sbx_2", "00000002", "web"),
        job("sbx_3", "00000003", "../up"),
        job("sbx_3", "00000004", "../up"),
    ]
    chains = chains_of(jobs, Chain("/out/r.json", "/home/me/runs"))
    assert [chain.target for chain in chains] == [
        "/home/me/runs/web-sbx_1/r.json",
        "/home/me/runs/web-sbx_2/r.json",
        "/home/me/runs/.._up/00000003/r.json",
        "/home/me/runs/.._up/00000004/r.json",
    ]
    assert {chain.download for chain in chains} == {"/out/r.json"}


def test_one_job_downloads_to_the_path_itself():
    chain = Chain("/out", "/home/me/out", delete=True)
    assert chains_of([job("sbx_1", "00000001", "web")], chain) == [chain]


def test_an_empty_chain_takes_back_what_was_set():
    jobs = [job("sbx_1", "00000001", "web"), job("sbx_2", "00000002", "db")]
    assert chains_of(jobs, Chain()) == [None, None]
    assert chains_of(jobs, Chain(delete=True)) == [Chain(delete=True)] * 2

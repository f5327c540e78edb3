"""The sandboxes of verifiers against the platform, run by the interpreter of its own environment.

Prints one JSON line for each case: its name, whether it passed, and why not. Knows both forms: the runtime of 0.4, and
the environments (``PythonEnv``) of 0.1. Imports nothing of sandtui.
"""

import asyncio
import json
import sys
import traceback

CASES = []


def case(function):
    CASES.append(function)
    return function


try:
    from verifiers.v1.runtimes.prime import PrimeConfig, PrimeRuntime
except ImportError:
    PrimeRuntime = None


async def collected(stream):
    data = b""
    async for chunk in stream:
        data += chunk
    return data


if PrimeRuntime is not None:

    @case
    async def run(box):
        done = await box.run(["sh", "-c", "pwd; echo $A; echo oops >&2; exit 7"], {"A": "b c"})
        assert (done.exit_code, done.stdout, done.stderr) == (7, "/app\nb c\n", "oops\n"), done

    @case
    async def python_in_login_and_plain_shells(box):
        for words in (["python", "-c", "print(6*7)"], ["bash", "-lc", "python -c 'print(6*7)'"]):
            done = await box.run(words, {})
            assert (done.exit_code, done.stdout) == (0, "42\n"), done

    @case
    async def another_user(box):
        await box.write("/tmp/for-all", b"x" * 1000)
        view = box.with_user("nobody", "/tmp")
        done = await view.run(["sh", "-c", "whoami; wc -c < /tmp/for-all"], {})
        assert done.exit_code == 0 and done.stdout.split() == ["nobody", "1000"], done
        await view.write("/tmp/nobody-has-this", b"mine")
        assert await view.read("/tmp/nobody-has-this") == b"mine"

    @case
    async def files(box):
        data = bytes(range(256)) * 4000
        await box.write("deep/er/data.bin", data)
        assert await box.read("/app/deep/er/data.bin") == data
        assert await box.read("deep/er/data.bin", max_bytes=len(data)) == data
        try:
            await box.read("/app/none")
        except Exception as error:
            assert "none" in str(error)
        else:
            raise AssertionError("a file that is not there was read")

    @case
    async def live_process(box):
        process = await box.open_process(["sh", "-c", "read line; echo got $line; sleep 600"], {})
        await process.write(b"one\n")
        seen = b""
        async for chunk in process.stdout:
            seen += chunk
            if seen.endswith(b"\n"):
                break
        assert seen == b"got one\n" and await process.poll() is None
        await process.terminate()
        assert await process.wait() != 0

    @case
    async def background(box):
        await box.run_background(["sh", "-c", "echo started; sleep 600"], {}, "/tmp/background.log")
        waiting = "until grep -q started /tmp/background.log; do sleep 0.1; done"
        done = await box.run(["timeout", "30", "sh", "-c", waiting], {})
        assert done.exit_code == 0, done

    @case
    async def alive(box):
        assert await box.alive()

    async def main():
        box = PrimeRuntime(PrimeConfig(image="python:3.11-slim"), name="verifiers")
        await box.start()
        try:
            return [await tried(function, box) for function in CASES]
        finally:
            await box.stop()

else:
    import verifiers
    from datasets import Dataset

    @case
    async def python_env(_):
        rows = Dataset.from_list([{"prompt": [{"role": "user", "content": "x"}], "answer": ""}])
        # Without packages: there may be no network to fetch them from.
        env = verifiers.PythonEnv(dataset=rows, rubric=verifiers.Rubric(), pip_install_packages="")
        state = await env.setup_state(verifiers.State())

        async def python(code):
            return await env.python(**env.update_tool_args("python", {"code": code}, [], state))

        try:
            assert "42" in await python("x = 6 * 7\nx")
            assert "43" in await python("print(x + 1)"), "the interpreter keeps its state"
            assert "ZeroDivisionError" in await python("1 / 0")
            assert "44" in await python("x + 2")
            await python("open('/tmp/seen', 'w').write('from python')")
            where = {"sandbox_id": state["sandbox_id"], "sandbox_state": state["sandbox_state"]}
            assert "from python" in await env.bash("cat /tmp/seen", **where)
        finally:
            await env.destroy_sandbox(state)

    async def main():
        return [await tried(function, None) for function in CASES]


async def tried(function, box):
    row = {"case": function.__name__, "ok": True}
    try:
        async with asyncio.timeout(120):
            await function(box)
    except BaseException:
        row |= {"ok": False, "error": traceback.format_exc(limit=-4)}
    print(json.dumps(row), flush=True)
    return row["ok"]


if __name__ == "__main__":
    sys.exit(not all(asyncio.run(main())))

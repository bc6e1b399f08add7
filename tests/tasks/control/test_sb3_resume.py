"""An interrupted training goes on from its last evaluation, with everything that it had, and pays for no step twice."""

from __future__ import annotations

import numpy as np
import pytest

from bakeoff.contract import Item, quiet

pytest.importorskip("stable_baselines3")
pytest.importorskip("torch")

from bakeoff.tasks.control.sb3_agents import A2C, DQN, PPO
from bakeoff.tasks.control.sb3_envs import guarded
from bakeoff.tasks.control.sb3_state import exported, state_of, take
from bakeoff.tasks.control.worlds import World

WORLD = World("CartPole-v1")


class Cut(Exception):
    """The process ends here."""


def items() -> tuple[list[Item], list[Item]]:
    return [Item("t0", {**WORLD.named(), "share": 1.0})], [
        Item(f"v{k}", {**WORLD.named(), "seed": 500_000 + k}) for k in range(2)
    ]


def small(cls, **more):
    quick = {
        PPO: {"n_envs": 2, "n_epochs": 2},
        A2C: {"n_envs": 2},
        DQN: {"learning_starts": 100, "gradient_steps": 8, "train_freq": 50},
    }[cls]
    return cls(**{"steps": 1600, "evaluations": 8, "hidden": [8], **quick, **more})


def cut_at(fraction):
    def progress(done, note):
        if done >= fraction and "mean return" in note:
            raise Cut

    return progress


class Counting:
    """How many steps the models of a class were trained for, as their environments saw it."""

    def __init__(self, monkeypatch):
        from bakeoff.tasks.control.sb3_envs import guarded_class

        self.steps, whole = 0, guarded_class().step_wait

        def step_wait(envs):
            self.steps += envs.num_envs
            return whole(envs)

        monkeypatch.setattr(guarded_class(), "step_wait", step_wait)


@pytest.mark.parametrize("cls", [PPO, A2C, DQN])
def test_it_goes_on_and_pays_for_no_step_twice(cls, tmp_path, monkeypatch):
    counting = Counting(monkeypatch)
    whole = small(cls).fit(*items(), seed=0, progress=quiet)
    total, counting.steps = counting.steps, 0
    agent = small(cls)
    agent.checkpoint_in(tmp_path)
    with pytest.raises(Cut):
        agent.fit(*items(), seed=0, progress=cut_at(0.6))
    first, counting.steps = counting.steps, 0
    assert {each.name for each in tmp_path.iterdir()} == {"course.safetensors"}
    again = small(cls)
    again.checkpoint_in(tmp_path)
    again.fit(*items(), seed=0, progress=quiet)
    kept = total - counting.steps  # what it did not have to do again
    assert 0 < kept < first
    rows = [row["step"] for row in whole.curve_]
    assert kept in rows
    assert [row["step"] for row in again.curve_] == rows
    up_to = rows.index(kept) + 1
    unclocked = [[{k: v for k, v in row.items() if "seconds" not in k} for row in each.curve_[:up_to]] for each in (whole, again)]
    assert unclocked[0] == unclocked[1]
    assert again.chosen_["trained_steps"] == whole.chosen_["trained_steps"] == total
    assert all(before["cpu_seconds"] <= row["cpu_seconds"] for before, row in zip(again.curve_, again.curve_[1:], strict=False))


@pytest.mark.parametrize("cls", [PPO, DQN])
def test_a_finished_training_is_not_trained_again(cls, tmp_path, monkeypatch):
    agent = small(cls)
    agent.checkpoint_in(tmp_path)
    agent.fit(*items(), seed=0, progress=quiet)
    counting = Counting(monkeypatch)
    again = small(cls)
    again.checkpoint_in(tmp_path)
    again.fit(*items(), seed=0, progress=quiet)
    assert counting.steps == 0
    assert again.curve_ == agent.curve_
    mine, theirs = again.kept_[WORLD.key]["last"], agent.kept_[WORLD.key]["last"]
    assert all((mine[name] == theirs[name]).all() for name in theirs)


def test_a_training_that_ended_because_it_was_solved_stays_ended(tmp_path, monkeypatch):
    made = {"steps": 40_000, "evaluations": 200, "n_envs": 4, "n_epochs": 10, "hidden": [16], "stop_when_solved": True}
    world = World("CartPole-v1", max_steps=20)  # nothing reaches 475 in 20 steps
    train, valid = [Item("t", {**world.named(), "share": 0.02})], [Item("v", {**world.named(), "seed": 500_000})]
    agent = PPO(**made)
    agent.checkpoint_in(tmp_path)
    monkeypatch.setattr(PPO, "_threshold", lambda self, world, envs: 1.0)
    agent.fit(train, valid, seed=0, progress=quiet)
    assert agent.chosen_["trained_steps"] == 0
    counting = Counting(monkeypatch)
    again = PPO(**made)
    again.checkpoint_in(tmp_path)
    again.fit(train, valid, seed=0, progress=quiet)
    assert counting.steps == 0
    assert again.chosen_["stopped_when_solved"] is True


@pytest.mark.parametrize("cls", [PPO, A2C, DQN])
def test_all_that_is_learned_and_remembered_comes_back(cls):
    from safetensors.numpy import load, save

    agent = small(cls)
    count, keywords, total = agent._plan(800)
    model = agent._model(guarded(WORLD, count), keywords, 0).learn(total, log_interval=None)
    arrays, beside = state_of(model)
    written = load(save({name: np.ascontiguousarray(each) for name, each in arrays.items()}))
    fresh = agent._model(guarded(WORLD, count), keywords, 1)
    assert not all((exported(fresh)[name] == each).all() for name, each in exported(model).items())
    take(fresh, written, beside)
    assert all((exported(fresh)[name] == each).all() for name, each in exported(model).items())
    assert fresh.num_timesteps == model.num_timesteps == total
    assert fresh._n_updates == model._n_updates > 0
    one, two = model.policy.optimizer.state_dict(), fresh.policy.optimizer.state_dict()
    assert one["param_groups"] == two["param_groups"]
    assert one["state"]
    for place, held in one["state"].items():
        for name, each in held.items():
            assert two["state"][place][name].shape == each.shape
            assert (two["state"][place][name] == each).all()
    if cls is DQN:
        assert fresh._n_calls == model._n_calls
        assert (fresh.replay_buffer.pos, fresh.replay_buffer.full) == (model.replay_buffer.pos, model.replay_buffer.full)
        for name in ("observations", "next_observations", "actions", "rewards", "dones", "timeouts"):
            assert (getattr(fresh.replay_buffer, name) == getattr(model.replay_buffer, name)).all(), name
        target = [[each.detach().numpy() for each in one.q_net_target.parameters()] for one in (model, fresh)]
        assert all((a == b).all() for a, b in zip(*target, strict=True))


@pytest.mark.parametrize(("schedule", "least", "most"), [("linear", 0.0, 0.0006), ("constant", 0.001, 0.001)])
def test_it_goes_on_at_its_place_in_the_schedule(schedule, least, most, tmp_path, monkeypatch):
    agent = small(PPO, schedule=schedule)
    agent.checkpoint_in(tmp_path)
    with pytest.raises(Cut):
        agent.fit(*items(), seed=0, progress=cut_at(0.6))
    rates = []
    import stable_baselines3

    train = stable_baselines3.PPO.train

    def watched(model):
        train(model)
        rates.append(model.policy.optimizer.param_groups[0]["lr"])

    monkeypatch.setattr(stable_baselines3.PPO, "train", watched)
    again = small(PPO, schedule=schedule)
    again.checkpoint_in(tmp_path)
    again.fit(*items(), seed=0, progress=quiet)
    assert rates
    assert all(least <= rate <= most for rate in rates)
    assert rates == sorted(rates, reverse=True)


def test_dqn_goes_on_exploring_where_it_was(tmp_path):
    agent = small(DQN, exploration_fraction=1.0, exploration_final_eps=0.0)
    count, keywords, total = agent._plan(1600)
    model = agent._model(guarded(WORLD, count), keywords, 0)
    model.num_timesteps = 800
    agent._go_on(model, total)
    assert model.exploration_rate == pytest.approx(0.5)

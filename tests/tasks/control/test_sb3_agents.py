"""DQN, A2C and PPO: what they learn from, what they refuse, and that NumPy answers as Stable-Baselines3 does."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bakeoff.contract import Item, quiet
from bakeoff.errors import BadStudy, RunError

pytest.importorskip("stable_baselines3")
pytest.importorskip("torch")

from bakeoff.tasks.control.course import Course
from bakeoff.tasks.control.sb3_agents import A2C, DQN, PPO
from bakeoff.tasks.control.sb3_envs import guarded, guarded_class
from bakeoff.tasks.control.sb3_state import exported
from bakeoff.tasks.control.worlds import Fault, World, flat

ODD = '''
import time
import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec

STEPS = [0]
SEEDS = []


class Loop(gymnasium.Env):
    """One state, reward 1 at every step. It ends by its own rules after `ends` steps; None: never."""

    observation_space = spaces.Box(0, 1, (1,), np.float32)
    action_space = spaces.Discrete(2)

    def __init__(self, ends=None, reward=1.0, fault="", at=3):
        self.ends, self.reward, self.fault, self.at = ends, reward, fault, at

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        SEEDS.append(seed)
        self.now = 0
        if self.fault == "reset":
            raise KeyError("no map")
        return np.ones(1, np.float32), {}

    def step(self, action):
        assert self.action_space.contains(action), action
        self.now += 1
        STEPS[0] += 1
        observation = np.ones(1, np.float32)
        if self.now == self.at:
            if self.fault == "raises":
                raise ZeroDivisionError("division by zero")
            if self.fault == "nan":
                observation = np.full(1, np.nan, np.float32)
            if self.fault == "shape":
                observation = np.ones((3,), np.float32)
            if self.fault == "number":
                observation = 1.0
            if self.fault == "reward":
                return observation, float("nan"), False, False, {}
            if self.fault == "hangs":
                time.sleep(20)
        return observation, self.reward, self.now == self.ends, False, {"hidden_reward": -1.0}


class Choice(Loop):
    """Observations 5 to 7 and actions 3 and 4, one of which pays."""

    observation_space = spaces.Discrete(3, start=5)
    action_space = spaces.Discrete(2, start=3)
    spec = EnvSpec("Choice-v0", entry_point="odd_worlds_for_sb3:Choice", reward_threshold=4.5)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return 5, {}

    def step(self, action):
        super().step(action)
        return 5 + self.now % 3, float(action == 4), False, False, {}


class Lucky(Choice):
    """Pays only in episodes from the seeds of validation."""

    def reset(self, *, seed=None, options=None):
        self.lucky = seed is not None and 500_000 <= seed < 900_000
        return super().reset(seed=seed)

    def step(self, action):
        observation, _, *rest = super().step(action)
        return observation, float(self.lucky), *rest


class Tall(Loop):
    """Observations of shape (2, 3) in float64, actions of shape (2, 1)."""

    observation_space = spaces.Box(-np.inf, np.inf, (2, 3), np.float64)
    action_space = spaces.Box(-0.5, 2, (2, 1), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.arange(6.0).reshape(2, 3), {}

    def step(self, action):
        super().step(action)
        return self.np_random.normal(size=(2, 3)), float(action.sum()), False, False, {}
'''
CARTPOLE = World("CartPole-v1")


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """A module of environments beside a study file: (its folder, the module)."""
    folder = tmp_path_factory.mktemp("odd")
    (folder / "odd_worlds_for_sb3.py").write_text(ODD, encoding="utf-8")
    sys.path.insert(0, str(folder))
    module = importlib.import_module("odd_worlds_for_sb3")
    yield module
    sys.path.remove(str(folder))
    del sys.modules["odd_worlds_for_sb3"]


def items(world: World, *, valid: int = 3, first: int = 500_000) -> tuple[list[Item], list[Item]]:
    train = [Item(f"t{k}", {**world.named(), "share": 0.25}) for k in range(4)]
    return train, [Item(f"v{k}", {**world.named(), "seed": first + k}) for k in range(valid)]


def learned(agent, world: World, *, seed: int = 0, valid: int = 3, progress=quiet):
    return agent.fit(*items(world, valid=valid), seed=seed, progress=progress)


def small(cls, **more):
    """An agent that is through in a moment."""
    quick = {
        PPO: {"n_envs": 2, "n_epochs": 2},
        A2C: {"n_envs": 2},
        DQN: {"learning_starts": 50, "gradient_steps": 4, "train_freq": 50},
    }[cls]
    return cls(**{"steps": 400, "evaluations": 2, "hidden": [8], **quick, **more})


def model_of(agent, world: World):
    """The SB3 model that the agent trains, after a short training."""
    count, keywords, total = agent._plan(400)
    envs = guarded(world, count)
    model = agent._model(envs, keywords, 0)
    return model.learn(total, log_interval=None), envs


# -- the policy --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cls", "name"),
    [(PPO, "CartPole-v1"), (A2C, "CartPole-v1"), (DQN, "CartPole-v1"), (PPO, "Pendulum-v1"), (A2C, "Pendulum-v1")],
)
def test_numpy_acts_as_the_model_itself_predicts(cls, name):
    import torch

    world, agent = World(name), small(cls, hidden=[64, 64])
    model, envs = model_of(agent, world)
    draw = np.random.default_rng(0)
    seen = draw.normal(size=(500, envs.observation_space.shape[0])).astype(np.float32) * 2
    if cls is DQN:  # so short a training prefers one action everywhere: centred, it takes both
        with torch.no_grad():
            values = model.q_net(torch.from_numpy(seen))
            model.q_net.q_net[-1].bias[0] -= torch.quantile(values[:, 0] - values[:, 1], 0.5)
    ours = np.asarray(agent._policy(world, exported(model)).act(seen, []))
    theirs, _ = model.predict(seen, deterministic=True)
    assert ours.shape == theirs.shape
    if name == "CartPole-v1":
        assert len(set(theirs.tolist())) == 2
        assert ours.tolist() == theirs.tolist()
    else:
        assert np.std(theirs) > 0
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_numpy_tells_the_probabilities_and_values_of_the_model():
    import torch

    world, agent = CARTPOLE, small(PPO, hidden=[16, 16])
    model, _ = model_of(agent, world)
    seen = np.random.default_rng(1).normal(size=(50, 4)).astype(np.float32)
    said = agent._policy(world, exported(model)).says(seen)
    with torch.no_grad():
        wanted = model.policy.get_distribution(torch.from_numpy(seen)).distribution.probs.numpy()
        values = model.policy.predict_values(torch.from_numpy(seen)).numpy()[:, 0]
    np.testing.assert_allclose(said["probabilities"], wanted, atol=1e-6)
    np.testing.assert_allclose(said["value"], values, atol=1e-5)


@pytest.mark.parametrize("cls", [PPO, DQN])
def test_odd_observations_and_actions_are_learned_and_acted_in(cls, odd):
    world = World("odd_worlds_for_sb3:Choice", max_steps=5)
    agent = learned(
        small(cls, steps=1500, learning_rate=0.01, exploration_fraction=0.5)
        if cls is DQN
        else small(cls, steps=1500, learning_rate=0.02),
        world,
    )
    space = odd.Choice.observation_space
    rows = flat(space, [5, 6, 7])
    assert agent.policy(world, which="last").act(rows, []) == [4, 4, 4]
    assert agent.curve_[-1]["return"] == 5.0
    _, envs = model_of(small(cls), world)
    assert envs.action_space.n == 2
    assert (envs.reset() == rows[0]).all()  # what it is trained on is what it answers to


def test_tall_observations_and_actions(odd):
    world = World("odd_worlds_for_sb3:Tall", max_steps=5)
    agent = learned(small(PPO), world)
    action = agent.policy(world).act(np.zeros((1, 6), np.float32), [])[0]
    assert action.shape == (2, 1)
    assert action.dtype == np.float32


def test_saved_and_restored_it_answers_the_same_without_torch(tmp_path):
    agent = learned(small(DQN), CARTPOLE)
    agent.save(tmp_path)
    asked = [Item(f"e{k}", {**CARTPOLE.named(), "seed": 1_000_000 + k}) for k in range(3)]
    wanted = [each.value for each in agent.answer(asked)]
    code = (
        "import json, sys; from pathlib import Path; from bakeoff.contract import Item; from bakeoff.tasks.control.sb3_agents import DQN\n"
        f"agent = DQN(hidden=[8]).restore(Path({str(tmp_path)!r}))\n"
        "said = [a.value for a in agent.answer([Item(str(k), {'environment': 'CartPole-v1', 'seed': 1000000 + k}) for k in range(3)])]\n"
        "print(json.dumps([said, sorted({'torch', 'stable_baselines3'} & set(sys.modules))]))\n"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert json.loads(out.stdout) == [wanted, []]
    assert {each.suffix for each in tmp_path.iterdir()} == {".safetensors", ".json"}


# -- the training ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", [PPO, A2C, DQN])
def test_it_keeps_within_its_budget_and_its_seeds(cls, odd):
    world = World("odd_worlds_for_sb3:Loop", max_steps=7)
    odd.STEPS[0] = 0
    odd.SEEDS.clear()
    agent = learned(small(cls, steps=333), world, valid=0)
    assert 250 < odd.STEPS[0] <= 333
    assert agent.chosen_["trained_steps"] == odd.STEPS[0]
    given = [seed for seed in odd.SEEDS if seed is not None]
    assert given
    assert all(0 <= seed < 500_000 for seed in given)
    learned(small(cls, steps=333), world, valid=0, seed=1)
    other = [seed for seed in odd.SEEDS if seed is not None][len(given) :]
    assert not set(given) & set(other)


def test_a_tiny_budget_is_kept_too(odd):
    world = World("odd_worlds_for_sb3:Loop", max_steps=7)
    for agent in (PPO(steps=20), A2C(steps=21), DQN(steps=22)):
        odd.STEPS[0] = 0
        learned(agent, world, valid=0)
        assert 10 <= odd.STEPS[0] <= agent.steps


def test_the_same_seed_gives_the_same_weights_however_often_it_is_evaluated():
    one, two, other = (learned(small(PPO, evaluations=count), CARTPOLE, seed=seed) for count, seed in ((1, 3), (4, 3), (1, 4)))
    last = [each.kept_[CARTPOLE.key]["last"]["actor.0.weight"] for each in (one, two, other)]
    assert (last[0] == last[1]).all()
    assert not (last[0] == last[2]).all()
    assert len(one.curve_) < len(two.curve_)


def test_a_linear_schedule_ends_at_nothing_and_a_constant_one_stays():
    falling, constant = PPO(), PPO(schedule="constant")
    assert [falling._plan(1000)[1]["learning_rate"](left) for left in (1.0, 0.5, 0.0)] == [0.001, 0.0005, 0.0]
    assert falling._plan(1000)[1]["clip_range"](0.5) == pytest.approx(0.1)
    assert constant._plan(1000)[1]["learning_rate"] == 0.001


def test_it_ends_early_once_solved(odd):
    world = World("odd_worlds_for_sb3:Choice", max_steps=5)
    agent = learned(PPO(steps=4000, evaluations=20, n_envs=2, learning_rate=0.02, hidden=[8], stop_when_solved=True), world)
    assert agent.curve_[-1]["return"] >= 4.5
    assert agent.chosen_["trained_steps"] < 2000
    assert agent.chosen_["best_step"] == agent.chosen_["trained_steps"]
    assert agent.chosen_["stopped_when_solved"] is True
    whole = learned(small(PPO), world)
    assert whole.chosen_["stopped_when_solved"] is False


def test_a_lucky_round_is_no_reason_to_end(odd):
    agent = learned(small(PPO, stop_when_solved=True), World("odd_worlds_for_sb3:Lucky", max_steps=5))
    assert [row["return"] for row in agent.curve_] == [5.0] * len(agent.curve_)
    assert agent.chosen_["trained_steps"] == 384
    assert agent.chosen_["stopped_when_solved"] is False


def test_ending_early_needs_a_threshold(odd):
    with pytest.raises(BadStudy, match="states no reward_threshold"):
        learned(small(PPO, stop_when_solved=True), World("odd_worlds_for_sb3:Loop", max_steps=5))


def test_an_agent_sees_neither_the_hidden_reward_nor_any_other_info(odd):
    envs = guarded(World("odd_worlds_for_sb3:Loop", max_steps=2), 2)
    envs.reset()
    _, _, dones, infos = envs.step(np.zeros(2, int))
    assert [set(each) for each in infos] == [{"TimeLimit.truncated"}] * 2
    _, _, dones, infos = envs.step(np.zeros(2, int))
    assert dones.all()
    assert [set(each) for each in infos] == [{"TimeLimit.truncated", "terminal_observation"}] * 2


# -- truncation is not termination -------------------------------------------------------------------------------

GAMMA = 0.5
BEST = 1 / (1 - GAMMA)


def iterated(envs_class, world: World, *, rounds: int = 30) -> float:
    """The critic's value of the one state, after `rounds` of: a rollout, then the critic is set to the mean of SB3's own returns from it."""
    import torch
    from stable_baselines3.common.callbacks import CallbackList

    agent = A2C(n_envs=3, n_steps=7, gamma=GAMMA, gae_lambda=1.0, hidden=[4])
    envs = envs_class(world, 3)
    _, keywords, _ = agent._plan(1000)
    model = agent._model(envs, keywords, 0)
    _, callback = model._setup_learn(10_000, CallbackList([]))
    critic = model.policy.value_net
    with torch.no_grad():
        critic.weight.zero_()
        critic.bias.zero_()
    for _ in range(rounds):
        model.collect_rollouts(envs, callback, model.rollout_buffer, n_rollout_steps=7)
        with torch.no_grad():
            critic.bias.fill_(float(model.rollout_buffer.returns.mean()))
    return float(critic.bias.detach())


def test_a_time_limit_is_bootstrapped_over_to_the_true_value(odd):
    assert iterated(guarded_class(), World("odd_worlds_for_sb3:Loop", max_steps=3)) == pytest.approx(BEST, abs=1e-6)


def test_that_test_fails_when_the_mask_is_dropped(odd):
    class Flipped(guarded_class()):
        def step_wait(self):
            *found, infos = super().step_wait()
            return *found, [{**each, "TimeLimit.truncated": False} for each in infos]

    assert abs(iterated(Flipped, World("odd_worlds_for_sb3:Loop", max_steps=3)) - BEST) > 0.3


def test_an_end_by_the_environments_own_rules_is_not_bootstrapped_over(odd):
    world = World("odd_worlds_for_sb3:Loop", {"ends": 3}, max_steps=3)  # at the limit and over at once: over
    value = iterated(guarded_class(), world, rounds=60)
    finite = [sum(GAMMA**k for k in range(left)) for left in (3, 2, 1)]
    assert min(finite) < value < max(finite) < BEST - 0.2


@pytest.mark.parametrize(("kwargs", "ends"), [({}, 0.0), ({"ends": 3}, 1.0)])
def test_dqn_learns_from_the_same_difference(kwargs, ends, odd):
    model, _ = model_of(small(DQN), World("odd_worlds_for_sb3:Loop", kwargs, max_steps=3))
    held = model.replay_buffer._get_samples(np.arange(2, 300, 3))  # the last step of each episode
    assert (held.dones.numpy() == ends).all()
    assert model.replay_buffer.dones[2:300:3].all()


# -- what goes wrong ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("raises", "its step raises 'ZeroDivisionError: division by zero'"),
        ("reset", "its reset raises"),
        ("nan", "an observation holds NaN"),
        ("reward", "it gave the reward nan"),
        ("shape", r"an observation has the shape \(3,\)"),
        ("number", r"an observation has the shape \(\)"),
    ],
)
@pytest.mark.parametrize("cls", [PPO, DQN])
def test_a_fault_of_the_environment_is_two_lines(cls, fault, says, odd):
    world = World("odd_worlds_for_sb3:Loop", {"fault": fault}, max_steps=5)
    with pytest.raises(RunError, match=says) as found:
        learned(small(cls), world, valid=0)
    assert "the other seeds are unharmed" in found.value.fix


def test_a_step_that_hangs_is_two_lines(odd):
    class Impatient(A2C):
        hang_seconds = 0.2

    world = World("odd_worlds_for_sb3:Loop", {"fault": "hangs"}, max_steps=5)
    with pytest.raises(RunError, match=r"it hangs: one reset or step took more than 0\.2 seconds"):
        learned(Impatient(steps=100, hidden=[4]), world, valid=0)


def test_updates_are_not_taken_for_a_hang(odd):
    envs = guarded(World("odd_worlds_for_sb3:Loop", max_steps=3), 1, hang_seconds=0.1)
    import time

    envs.reset()
    envs.watch()
    envs.step(np.zeros(1, int))
    envs.rest()
    time.sleep(0.3)
    envs.watch()
    with pytest.raises(Fault, match="it hangs"):
        time.sleep(5)
    envs.close()


@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning", "ignore:invalid value encountered:RuntimeWarning")
def test_a_training_that_diverges_is_two_lines(odd):
    with pytest.raises(RunError, match="PPO diverged") as found:
        learned(small(PPO), World("odd_worlds_for_sb3:Loop", {"reward": 3e38}, max_steps=5), valid=0)
    assert "learning_rate" in found.value.fix


def test_dqn_refuses_a_box_of_actions():
    with pytest.raises(BadStudy, match=r"DQN cannot act in Pendulum-v1: its actions are Box") as found:
        learned(small(DQN), World("Pendulum-v1"))
    assert "ppo or a2c" in found.value.fix


@pytest.mark.parametrize(
    ("agent", "says", "fix"),
    [
        (PPO(steps="many"), "steps is 'many'", "from 20 to 1,000,000,000"),
        (PPO(gamma=1.5), "gamma is 1.5", "from 0 to 1"),
        (A2C(learning_rate=0), "learning_rate is 0", "above 0"),
        (DQN(learning_rate=float("nan")), "learning_rate is nan", "above 0"),
        (DQN(train_freq=0.5), "train_freq is 0.5", "whole number"),
        (PPO(n_envs=True), "n_envs is True", "whole number"),
        (PPO(n_envs=1, n_steps=1), "n_envs x n_steps is 1", "two steps"),
        (PPO(schedule="liner"), "schedule is 'liner'", "did you mean 'linear'"),
        (PPO(hidden=[]), r"hidden is '\[\]'", "1 to 8"),
        (PPO(hidden=[64, 0]), r"hidden is '\[64, 0\]'", "from 1 to 4,096"),
        (PPO(stop_when_solved="yes"), "stop_when_solved is 'yes'", "true or false"),
        (PPO(keep="first"), "keep is 'first'", "best or last"),
        (PPO(settings=[1]), "settings is", "mapping"),
        (PPO(settings={"vf_coeff": 1}), "stable_baselines3's PPO knows no 'vf_coeff'", "vf_coef"),
        (PPO(settings={"gamma": 1}), "settings has 'gamma'", "beside settings"),
        (DQN(settings={"optimize_memory_usage": True}), "cannot be set", "remove it"),
        (A2C(settings={"vf_coef": "a"}), "settings.vf_coef is 'a'", "number"),
    ],
)
def test_a_setting_that_cannot_be_is_two_lines(agent, says, fix):
    with pytest.raises(BadStudy, match=says) as found:
        learned(agent, CARTPOLE)
    assert fix in found.value.fix


def test_further_keywords_reach_the_model():
    agent = small(PPO, settings={"vf_coef": 0.25, "target_kl": 0.02})
    model, _ = model_of(agent, CARTPOLE)
    assert (model.vf_coef, model.target_kl) == (0.25, 0.02)
    assert "vf_coef" not in agent.ranges  # what has a setting of its own is not also a further keyword


# -- what it tells -----------------------------------------------------------------------------------------------


def test_the_parts_of_an_actor_critic_are_named():
    agent = learned(small(PPO, hidden=[64, 64]), CARTPOLE)
    parts = {each["name"]: each for each in agent.chosen_["parts"]}
    assert list(parts) == ["features", "actor body", "actor (policy) head", "critic body", "critic (value) head"]
    assert parts["actor (policy) head"]["shapes"] == {"weight": [2, 64], "bias": [2]}
    assert parts["critic (value) head"]["parameters"] == 65
    assert parts["actor body"]["parameters"] == 4 * 64 + 64 + 64 * 64 + 64
    held = agent.kept_[CARTPOLE.key]["last"]
    assert sum(each["parameters"] for each in parts.values()) == sum(each.size for each in held.values())
    assert json.loads(json.dumps(agent.parts())) == agent.parts()
    said = agent.flops([])
    assert said.per_item == 2 * (4 * 64 + 64 * 64 + 64 * 2) + 64 + 64 + 2
    assert "formula" in said.basis


def test_the_parts_of_a_dqn_and_of_a_gaussian_policy():
    agent = learned(small(DQN), CARTPOLE)
    parts = {each["name"]: each for each in agent.chosen_["parts"]}
    assert list(parts) == ["features", "Q network", "target network", "replay buffer"]
    assert parts["Q network"]["parameters"] == parts["target network"]["parameters"] == 4 * 8 + 8 + 8 * 2 + 2
    assert parts["replay buffer"]["shapes"]["observations"] == [400, 1, 4]
    pendulum = World("Pendulum-v1")
    other = learned(small(A2C), pendulum)
    assert other.chosen_["parts"][-1]["name"] == "spread"


def test_several_worlds_have_a_policy_and_parts_each():
    worlds = [CARTPOLE, World("CartPole-v1", {"sutton_barto_reward": True})]
    train, valid = ([item for world in worlds for item in items(world)[place]] for place in (0, 1))
    agent = small(A2C).fit(train, valid, seed=0, progress=quiet)
    assert set(agent.chosen_) == {world.key for world in worlds}
    assert all(agent.chosen_[world.key]["parts"] for world in worlds)
    assert agent.parts(worlds[1])


def test_progress_is_told_between_evaluations():
    said: list[tuple[float, str]] = []
    learned(small(A2C, evaluations=1), CARTPOLE, progress=lambda fraction, note: said.append((fraction, note)))
    assert len(said) > 10
    assert [fraction for fraction, _ in said] == sorted(fraction for fraction, _ in said)
    assert said[-1][0] == 1.0


def test_rows_are_whole(tmp_path: Path):
    agent = learned(small(PPO), CARTPOLE)
    steps = [row["step"] for row in agent.curve_]
    assert steps[0] == 0
    assert steps == sorted(set(steps))
    assert isinstance(agent.course_[CARTPOLE.key], Course)
    assert all(row["cpu_seconds"] >= before["cpu_seconds"] for before, row in zip(agent.curve_, agent.curve_[1:], strict=False))

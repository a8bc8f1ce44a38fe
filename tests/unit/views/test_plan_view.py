"""A plan for people: what changes, why, which steps, and whether there is a way back."""

from dataclasses import replace

from interlock.model.plan import Action, Change, Phase, Plan, Step
from interlock.views.output import Output
from interlock.views.plan_view import render_plan

SWITCH = Step("dbt.switch", Phase.SWITCH, "dbt", "switch", ("k",), "switch 1", "switch back", 1.25, True)
PLAN = Plan(
    project="shop",
    environment="prod",
    release="b" * 64,
    previous="a" * 64,
    basis="c" * 64,
    changes=(
        Change("airflow.dag:new", Action.ADD, "", "1"),
        Change("airflow.dag:gone", Action.REMOVE, "1", ""),
        Change("dbt.model:shop.a", Action.CHANGE, "1", "2", ("sql",), ("dbt.model:shop.b", "airflow.dag:new")),
        Change("dbt.model:shop.b", Action.REBUILD, "1", "1", ("upstream dbt.model:shop.a",)),
    ),
    steps=(Step("dbt.stage", Phase.STAGE, "dbt", "stage", ("k",), "build 2 candidates", "drop them"), SWITCH),
    notes=("3 spark resources stay out",),
)


def shown(capsys, plan: Plan = PLAN, **options) -> str:
    output = Output(as_json=False, verbose=False)
    render_plan(plan, output.console, **options)
    return capsys.readouterr().out


def test_plan_shows_each_change_with_its_mark_reason_and_reach(capsys):
    lines = shown(capsys).splitlines()
    assert lines[0] == "Plan for prod: release aaaaaaaaaaaa → release bbbbbbbbbbbb"
    assert "  + airflow.dag:new" in lines
    assert "  - airflow.dag:gone" in lines
    assert "  ~ dbt.model:shop.a (sql) → 2 downstream" in lines
    assert "  ↻ dbt.model:shop.b (upstream dbt.model:shop.a)" in lines


def test_plan_counts_and_says_whether_there_is_a_way_back(capsys):
    text = shown(capsys)
    assert "1 to add, 1 to change, 1 to rebuild, 1 to remove. Can be rolled back." in text
    text = shown(capsys, replace(PLAN, steps=(replace(SWITCH, inverse=""),)))
    assert "Cannot be rolled back whole." in text
    assert "cannot be undone" in text


def test_each_step_says_how_long_it_takes_or_that_nobody_knows(capsys):
    lines = shown(capsys).splitlines()
    assert any(line.split()[:4] == ["switch", "dbt.switch", "1.2s", "switch"] for line in lines)
    assert any(line.split()[:4] == ["stage", "dbt.stage", "unknown", "build"] for line in lines)
    assert any("undone: drop them" in line for line in lines)


def test_notes_and_digest_are_shown(capsys):
    text = shown(capsys)
    assert "! 3 spark resources stay out" in text
    assert f"plan {PLAN.digest[:16]}" in text


def test_first_deployment_comes_from_nothing_and_its_rollback_goes_there(capsys):
    assert "nothing → release bbbbbbbbbbbb" in shown(capsys, replace(PLAN, previous=""))
    back = replace(PLAN, intent="rollback", previous=PLAN.release, release="")
    assert shown(capsys, back).startswith("Rollback of prod: release bbbbbbbbbbbb → nothing")


def test_long_plan_is_cut_and_says_how_to_see_all_of_it(capsys):
    many = replace(PLAN, changes=tuple(Change(f"airflow.dag:d{i}", Action.ADD, "", "1") for i in range(100)))
    text = shown(capsys, many)
    assert "airflow.dag:d39" in text and "airflow.dag:d40" not in text
    assert "… and 60 more (-v shows all)" in text
    assert "airflow.dag:d99" in shown(capsys, many, everything=True)


def test_empty_plan_says_so_and_still_says_what_it_left_out(capsys):
    empty = replace(PLAN, changes=(), steps=())
    assert shown(capsys, empty).splitlines() == [
        "Nothing to do: prod already does what is in release bbbbbbbbbbbb.",
        "! 3 spark resources stay out",
    ]
    text = shown(capsys, replace(empty, previous=PLAN.release, notes=()))
    assert text.strip() == "Nothing to do: prod already is release bbbbbbbbbbbb."


def test_names_with_markup_and_escapes_are_shown_as_they_stand(capsys):
    name = "[bold]x[/]\x1b[2J\n  + airflow.dag:fake"
    plan = replace(
        PLAN,
        environment=name,
        changes=(Change(f"airflow.dag:{name}", Action.ADD, "", "1", (name,)),),
        steps=(replace(SWITCH, id=name, summary=name, inverse=name),),
        notes=(name,),
    )
    text = shown(capsys, plan)
    assert "\x1b" not in text
    assert "airflow.dag:[bold]x[/]␛[2J" in text
    assert "  + airflow.dag:fake" not in text.splitlines(), "a name cannot pretend to be another change"

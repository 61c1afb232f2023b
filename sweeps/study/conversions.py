"""Sentences for the values of a study that are converted to other units."""

from pulsatile.sweeps.study import quantities
from pulsatile.sweeps.study.schema import Study
from pulsatile.sweeps.study.tables.own_patients import read_patients
from pulsatile.sweeps.study.tables.parameter_file import read_parameters
from pulsatile.sweeps.study.tables.population_file import read_frozen


def conversions(study: Study) -> list[str]:
    """Return a sentence for each dose or figure of a drug that is converted to another unit or sign of its unit.

    There are also sentences for each converted column of own patients, and for a seed that a frozen population ignores.

    Raises
    ------
    InputError
        Where the table of own patients, or the folder of the frozen population, cannot be read.

    >>> from pulsatile.sweeps.study.schema import study_from
    >>> rule = {"drug": "somatropin", "dose": "6 IU", "at": ["21:00"]}
    >>> study = {"weeks": 1, "population": {"n": 1}, "arms": [{"name": "rhGH", "regimen": [rule]}]}
    >>> conversions(study_from(study, "study"))
    ["arms[0].regimen[0].dose = '6 IU' is taken as 2 mg."]
    """
    people, sentences = study.population, list[str]()
    if people.patients is not None:
        sentences = read_patients(people.patients, people.headings)[1]
    if people.parameters is not None:
        sentences = read_parameters(people.parameters)[1]
    if study.population.frozen is not None and "seed" in study.model_fields_set:
        seed = read_frozen(study.population.frozen)["seed"]
        if seed != study.seed:
            sentences.append(
                f"population.frozen: its people, days and drug kinetics are those of the seed {seed} that it was built "
                f"with; seed = {study.seed} changes nothing."
            )
    for drug, entry in study.drugs.items():
        for key, text in entry.model_dump(include=set(quantities.FIGURES) - {"largest"}, exclude_none=True).items():
            number, unit = quantities.figure(key, text)
            if unit.lstrip("1") not in text:
                sentences.append(f"drugs.{drug}.{key} = {text!r} is taken as {number:g} {unit}.")
    for i, arm in enumerate(study.arms):
        for j, rule in enumerate(arm.regimen or ()):
            if not isinstance(rule.dose, str):
                continue
            number, unit = quantities.amount(rule.dose)
            if unit.startswith("IU"):
                number, unit = rule.resolved().micrograms / 1000, unit.replace("IU", "mg")
            if unit not in rule.dose:
                sentences.append(f"arms[{i}].regimen[{j}].dose = {rule.dose!r} is taken as {number:g} {unit}.")
    return sentences

"""The content of the stories: what can happen, where, with what, and how it ends.

A scene is a chain of beats. Every beat is told twice, once in simple sentences and once in a plain
one; the ornate telling is the plain one with its slots filled differently, so all three say the
same thing. Endings come in three kinds because sentiment decides how a story turns out. ``<o>``
marks where an ornate adjective may stand.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Beat:
    """One event: its simple tellings and its plain tellings (which the ornate style adorns)."""

    simple: tuple[str, ...]
    plain: tuple[str, ...]


@dataclass(frozen=True)
class Scene:
    """A kind of story. ``goal`` completes "went there to ..."; the endings are low, middle and
    high."""

    name: str
    goal: str
    places: tuple[str, ...]
    things: tuple[str, ...]
    beats: tuple[Beat, ...]
    endings: tuple[Beat, Beat, Beat]


def _ending(bad: tuple[str, str], flat: tuple[str, str], good: tuple[str, str]
            ) -> tuple[Beat, Beat, Beat]:
    low, mid, high = (Beat((simple,), (plain,)) for simple, plain in (bad, flat, good))
    return low, mid, high


SCENES: tuple[Scene, ...] = (
    Scene(
        "repair", "fix the {thing}",
        ("harbor", "workshop", "old dock", "boathouse", "yard"),
        ("boat", "raft", "cart", "sled", "pump", "wagon"),
        (
            Beat(("{N} [looked at] the {thing}", "The {thing} had a hole. {N} saw it"),
                 ("{N} [looked at] the <o> {thing} and saw a hole in the <o> <side>",
                  "{N} [checked] the <o> {thing} and <then> counted four loose boards")),
            Beat(("{N} [got] a rope. {F} held it", "{N} [needed] a nail. {F} had one"),
                 ("{N} [got] a hammer and a rope while {F} held the <o> {thing}",
                  "{N} [needed] some nails, so {F} [carried] a <o> box from the {place}")),
            Beat(("They [fixed] the <side>", "{N} [put] tar on it"),
                 ("{N} and {F} <worked> <together> and [fixed] the <o> {thing}",
                  "{N} [used] a <o> saw and [joined] two boards to the <side>")),
        ),
        _ending(("The {thing} broke. It sank",
                 "the <o> {thing} broke in half and was lost for good"),
                ("The {thing} was dry by noon", "the <o> {thing} was dry by <noon>"),
                ("The {thing} was as good as new",
                 "the <o> {thing} was strong and as good as new")),
    ),
    Scene(
        "baking", "bake the {thing}",
        ("bakery", "kitchen", "mill", "cafe", "inn"),
        ("bread", "cake", "pie", "tart", "loaf", "pudding"),
        (
            Beat(("{N} [got] some flour", "{N} [opened] the flour bag"),
                 ("{N} [got] flour and salt from a <o> shelf",
                  "{N} [opened] a <o> sack of flour and [put] it on the <table>")),
            Beat(("{F} mixed it all in a bowl", "{N} [put] two eggs in a bowl"),
                 ("{F} [made] the dough and <then> [put] it in a <o> bowl",
                  "{N} [tried] the <o> recipe while {F} [checked] the oven")),
            Beat(("{N} [put] the {thing} in the oven", "They [waited for] the {thing}"),
                 ("{N} [put] the {thing} in the <o> oven and [waited for] an hour",
                  "{N} and {F} [waited] <near> the <o> oven until the {thing} was done")),
        ),
        _ending(("The {thing} burned. It was all black",
                 "the {thing} came out burned, bitter and ruined"),
                ("The {thing} was on a plate", "the {thing} was on a <o> plate by <noon>"),
                ("The {thing} was sweet and warm", "the {thing} came out sweet, warm and perfect")),
    ),
    Scene(
        "market", "buy the {thing}",
        ("market", "shop", "fair", "bazaar", "store"),
        ("lamp", "rug", "clock", "mirror", "kettle", "chair"),
        (
            Beat(("{N} [looked at] the {thing}", "There was a {thing}. {N} saw it"),
                 ("{N} <walked> past [many] <o> stalls and [looked at] the {thing}",
                  "{N} [found] the {thing} <near> a <o> pile of boxes")),
            Beat(("{N} [talked to] the seller", "{F} asked for the price"),
                 ("{N} [talked to] the seller [about] the <o> {thing}",
                  "{F} asked a [man] at the <o> stall [about] the price of the {thing}")),
            Beat(("{N} [bought] the {thing}", "{N} [gave] ten coins to the seller"),
                 ("{N} [gave] ten coins to the seller and [bought] the <o> {thing}",
                  "{N} [thought about] it and <then> [bought] the <o> {thing} for ten coins")),
        ),
        _ending(("The {thing} was a fake. It fell apart",
                 "the <o> {thing} was a cheap fake and fell apart"),
                ("The {thing} went in a bag", "the <o> {thing} went into a paper bag"),
                ("The {thing} was a gem. It shone",
                 "the <o> {thing} was a rare treasure and shone beautifully")),
    ),
    Scene(
        "garden", "plant the {thing}",
        ("garden", "farm", "park", "field", "orchard"),
        ("rose", "apple tree", "bean", "pumpkin", "tulip", "plum tree"),
        (
            Beat(("{N} dug a hole", "{N} [got] a spade. It was long"),
                 ("{N} [got] a spade and dug a <o> hole <near> the wall",
                  "{N} [looked at] the <o> soil and [picked] a spot <near> the fence")),
            Beat(("{N} [put] the {thing} in", "{F} [got] some water"),
                 ("{N} [put] the <o> {thing} in the ground while {F} [got] some water",
                  "{F} [carried] water from a <o> well to the {thing}")),
            Beat(("They [waited for] rain", "The {thing} grew. {N} [checked] it"),
                 ("{N} and {F} [waited for] rain and <slowly> the <o> {thing} grew",
                  "{N} [checked] the <o> {thing} <again> while {F} pulled weeds")),
        ),
        _ending(("The {thing} died. It rotted", "the <o> {thing} rotted and died in the mud"),
                ("The {thing} had six leaves", "the <o> {thing} had six leaves by the end of May"),
                ("The {thing} bloomed. It was lovely",
                 "the <o> {thing} bloomed and was lovely to see")),
    ),
    Scene(
        "letter", "deliver the {thing}",
        ("post office", "station", "bridge", "town hall", "square"),
        ("letter", "parcel", "package", "box", "note", "card"),
        (
            Beat(("{N} [put] a stamp on the {thing}", "{N} [carried] the {thing}"),
                 ("{N} [put] a <o> stamp on the {thing} and [checked] the name",
                  "{N} [carried] the <o> {thing} under one arm")),
            Beat(("They [went to] a gray house", "{N} asked the way. {F} knew it"),
                 ("{N} and {F} [went to] a gray house at the <o> end of the road",
                  "{N} [looked at] a <o> map and [talked to] {F} [about] the way")),
            Beat(("{N} rang the bell. They [waited]", "A [woman] came to the door"),
                 ("{N} rang the <o> bell and [waited] at the gate",
                  "a [woman] came to the <o> gate and {N} [gave] the {thing} to her")),
        ),
        _ending(("The {thing} had bad news. She wept",
                 "the <o> {thing} held cruel news and the [woman] wept"),
                ("The {thing} was about a bill", "the <o> {thing} was about a bill and some dates"),
                ("The {thing} had good news. She sang",
                 "the <o> {thing} held happy news and the [woman] sang")),
    ),
    Scene(
        "search", "look for the {thing}",
        ("forest", "beach", "attic", "barn", "museum"),
        ("ring", "key", "map", "coin", "book", "scarf"),
        (
            Beat(("{N} lost the {thing}", "Where was the {thing}? {N} did not know"),
                 ("{N} did not know where the <o> {thing} was",
                  "{N} [told] {F} [about] the <o> {thing} that was missing")),
            Beat(("{N} looked up. {F} looked down", "{F} looked in a box"),
                 ("{N} <looked> into [many] <o> corners of the {place}",
                  "{F} [opened] a <o> box while {N} <looked> behind a door")),
            Beat(("{N} saw a mark on the ground", "They looked for an hour. It got late"),
                 ("{N} [found] a <o> mark that led across the {place}",
                  "{N} and {F} <walked> <slowly> around the {place} until the <light> was low")),
        ),
        _ending(("The {thing} was gone. They never found it",
                 "the <o> {thing} was stolen and was never seen again"),
                ("The {thing} was on a shelf", "the <o> {thing} was on a shelf <near> the door"),
                ("They got the {thing} back. It was safe",
                 "the <o> {thing} turned up safe and sound at last")),
    ),
    Scene(
        "music", "play the {thing}",
        ("theater", "school", "concert hall", "club", "church"),
        ("violin", "drum", "flute", "piano", "trumpet", "guitar"),
        (
            Beat(("{N} [put] the {thing} on a chair", "{N} [opened] a case. The {thing} was in it"),
                 ("{N} [opened] a <o> case and [got] the {thing}",
                  "{N} [carried] the <o> {thing} up the steps to the stage")),
            Beat(("{N} [began] the song", "{F} had the notes. {N} read them"),
                 ("{N} [began] the <o> song while {F} turned the pages",
                  "{N} [looked at] the <o> notes and <then> [tried] the first line")),
            Beat(("They played. [many] [people] came", "{N} played for an hour"),
                 ("[many] [people] <stood> in the <o> hall while {N} played",
                  "{N} and {F} played <together> and [finished] the <o> song")),
        ),
        _ending(("A string broke. The crowd booed",
                 "the crowd booed and the <o> {thing} was broken"),
                ("The song had six parts", "the <o> song had six parts and a short end"),
                ("The crowd cheered. They won a prize",
                 "the crowd cheered and the <o> {thing} won a prize")),
    ),
    Scene(
        "journey", "ride the {thing}",
        ("station", "road", "valley", "lake", "mountain pass"),
        ("train", "horse", "bus", "ferry", "mule", "bicycle"),
        (
            Beat(("{N} got on the {thing}", "The {thing} was at the {place}"),
                 ("{N} [put] a <o> trunk on the {thing} and [checked] the straps",
                  "{N} [waited for] the <o> {thing} at the edge of the {place}")),
            Beat(("They went past a hill", "{F} [looked at] a map"),
                 ("{N} and {F} <walked> the {thing} past a <o> hill and a mill",
                  "{F} [looked at] a map while the <o> {thing} crossed a bridge")),
            Beat(("{N} saw the sea. It was far", "They [went to] an inn"),
                 ("{N} saw the <o> sea beyond the {place}",
                  "{N} [left] the {place} and [went to] an <o> inn for the night")),
        ),
        _ending(("They got lost. It rained all night",
                 "they got lost in a cruel storm and the <o> {thing} was ruined"),
                ("They got there at six", "the <o> {thing} got there at six"),
                ("They got there. The view was grand",
                 "the <o> {thing} arrived safely and the view was glorious")),
    ),
    Scene(
        "painting", "paint the {thing}",
        ("studio", "gallery", "hill", "courtyard", "school"),
        ("door", "portrait", "wall", "sign", "fence", "mural"),
        (
            Beat(("{N} [got] a brush", "{N} [opened] a can. It was blue"),
                 ("{N} [got] a <o> brush and [opened] a can of blue paint",
                  "{N} [picked] a <o> color and [opened] the can")),
            Beat(("{N} [began] work on the {thing}", "{F} held the can. {N} held the brush"),
                 ("{N} [began] work on the top of the <o> {thing} while {F} held the can",
                  "{N} [thought about] the <o> lines and <then> [began] work on the {thing}")),
            Beat(("They [finished] one <side>", "{N} [put] red on top"),
                 ("{N} and {F} <worked> <slowly> and [finished] one <o> <side>",
                  "{N} [used] a <o> brush and [put] some red on the {thing}")),
        ),
        _ending(("The paint ran. The {thing} was ugly",
                 "the <o> {thing} came out ugly and the paint was ruined"),
                ("The {thing} was blue and red", "the <o> {thing} was blue and red"),
                ("The {thing} looked great. It glowed",
                 "the <o> {thing} came out beautiful and everyone admired it")),
    ),
    Scene(
        "game", "play for the {thing}",
        ("park", "gym", "club", "stadium", "hall"),
        ("cup", "medal", "trophy", "ribbon", "flag", "crown"),
        (
            Beat(("{N} [got] a ball", "The game was on. {N} ran"),
                 ("{N} [got] a ball from a <o> bag and [told] {F} [about] the rules",
                  "{N} [looked at] the <o> field and [began] the game")),
            Beat(("{N} ran. {F} threw the ball", "{F} had the ball. It flew far"),
                 ("{F} threw the ball across the <o> field to {H}",
                  "{N} ran to the <o> line while {F} wrote down the score")),
            Beat(("{N} took one last shot", "It was six to six"),
                 ("{N} [tried] one last shot from the <o> <side> of the {place}",
                  "{N} and {F} [thought about] the <o> plan with the score at six")),
        ),
        _ending(("They lost. {N} got hurt", "{N} got hurt and they lost the <o> {thing}"),
                ("It was a tie", "the game was a tie and the <o> {thing} [kept] its place"),
                ("They won the {thing}. It was gold",
                 "they won the <o> {thing} and it was a triumph")),
    ),
    Scene(
        "animal", "feed the {thing}",
        ("barn", "zoo", "stable", "farm", "shelter"),
        ("dog", "pony", "calf", "lamb", "kitten", "donkey"),
        (
            Beat(("{N} [opened] the gate", "The {thing} was in the hay. {N} saw it"),
                 ("{N} [opened] the <o> gate and [looked at] the {thing}",
                  "{N} [found] the {thing} in a <o> corner of the {place}")),
            Beat(("{N} [gave] some food to the {thing}", "{F} had a cup of milk"),
                 ("{N} [carried] a <o> bucket and [gave] some food to the {thing}",
                  "{F} [put] a bowl of milk <near> the <o> {thing}")),
            Beat(("The {thing} ate. {N} [waited]", "{N} [put] hay on the floor"),
                 ("{N} <stood> <near> the <o> wall while the {thing} ate",
                  "{N} and {F} [put] some hay in the <o> stall for the {thing}")),
        ),
        _ending(("The {thing} got ill. It died", "the <o> {thing} fell ill and died in the night"),
                ("The {thing} lay on the hay", "the <o> {thing} lay on the hay by the wall"),
                ("The {thing} was well. It ran and played",
                 "the <o> {thing} grew healthy and played all day")),
    ),
    Scene(
        "science", "test the {thing}",
        ("lab", "library", "observatory", "school", "tower"),
        ("lens", "engine", "machine", "battery", "robot", "telescope"),
        (
            Beat(("{N} [put] the {thing} on a table", "{N} [looked at] the {thing}"),
                 ("{N} [put] the <o> {thing} on the <table> and [checked] the wires",
                  "{N} [looked at] the <o> {thing} and [thought about] the first test")),
            Beat(("{N} [began] the test", "{F} wrote it all down"),
                 ("{N} [began] the <o> test while {F} wrote the numbers down",
                  "{F} [told] {H} [about] a <o> number on the chart")),
            Beat(("A lamp went on. It was green", "They [checked] the {thing}"),
                 ("{N} and {F} [checked] the <o> {thing} <again> in the <light>",
                  "{N} [used] a <o> tool and [finished] the test of the {thing}")),
        ),
        _ending(("The {thing} blew up. It was a mess",
                 "the <o> {thing} failed and the work was ruined"),
                ("The {thing} ran for an hour", "the <o> {thing} ran for an hour and stopped"),
                ("The {thing} worked. They won",
                 "the <o> {thing} worked perfectly and made them famous")),
    ),
    Scene(
        "meeting", "talk about the {thing}",
        ("office", "town hall", "library", "school", "hotel"),
        ("plan", "contract", "budget", "report", "house", "bridge"),
        (
            Beat(("They sat down. {N} [opened] a file", "{N} [talked to] {F}"),
                 ("{N} [opened] a <o> file and [told] {F} [about] the {thing}",
                  "{N} [talked to] [many] [people] [about] the <o> {thing}")),
            Beat(("{F} [checked] the dates", "{N} had a list. {F} read it"),
                 ("{F} [checked] the <o> list and [thought about] the {thing}",
                  "{N} [sent] a <o> copy of the list to [people] at the {place}")),
            Beat(("{N} signed it. So did {F}", "They [talked to] the boss"),
                 ("{N} and {F} [finished] the <o> talk and signed a page",
                  "{N} [gave] a <o> copy of the notes to the boss")),
        ),
        _ending(("The {thing} was off. They lost their jobs",
                 "the <o> {thing} fell through and they lost their jobs"),
                ("The {thing} was set for May", "the <o> {thing} was set for a day in May"),
                ("The {thing} was a hit. They got a raise",
                 "the <o> {thing} was a great success and earned them a raise")),
    ),
    Scene(
        "picnic", "share the {thing}",
        ("river", "meadow", "lake", "beach", "hill"),
        ("soup", "melon", "cheese", "fish", "stew", "honey"),
        (
            Beat(("{N} [put] a cloth on the grass", "{N} had a basket"),
                 ("{N} [put] a <o> cloth on the grass <near> the {place}",
                  "{N} [carried] a <o> basket with the {thing} in it")),
            Beat(("{F} [got] the cups", "{N} cut the bread. {F} [got] the {thing}"),
                 ("{F} [got] the cups from a <o> bag and [put] them in a row",
                  "{N} [opened] the <o> basket and [gave] some of the {thing} to {F}")),
            Beat(("They ate the {thing}", "Some [kids] came by"),
                 ("{N} and {F} ate the <o> {thing} and [looked at] the {place}",
                  "some [kids] <walked> past with a <o> kite and {N} [gave] the {thing} to them")),
        ),
        _ending(("It rained. The {thing} was foul",
                 "the <o> {thing} was foul and made them both sick"),
                ("The cups went in the bag", "the cups and the <o> {thing} went back in the bag"),
                ("The {thing} was yummy. They sang",
                 "the <o> {thing} was delicious and they sang until night")),
    ),
)

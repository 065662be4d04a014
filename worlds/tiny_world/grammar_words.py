"""Word tables of the story grammar: who, when, and the words that one attribute alone decides.

``DICTION`` is formality's: a key in square brackets inside a template, ``[began]``, becomes an
informal, a plain or a formal word. ``ORNAMENT`` is simplicity's: a key in angle brackets,
``<walked>``, stays plain or turns ornate. The two are kept apart so that formal prose can be simple
and ornate prose can be casual.
"""

from __future__ import annotations

from typing import Final

WOMEN: Final = (
    "Nora", "Clara", "Mia", "Ivy", "Ruth", "Ada", "Lena", "Hazel", "June", "Tess", "Vera", "Zoe",
)
MEN: Final = (
    "Felix", "Ben", "Oscar", "Hugo", "Theo", "Max", "Leo", "Amos", "Carl", "Finn", "Jonas", "Rafi",
)

TIMES: Final = (
    "on Monday", "on Tuesday", "on Thursday", "on Friday", "on Saturday", "on Sunday morning",
    "in the morning", "in the afternoon", "in the evening", "before noon", "after lunch",
    "in April", "in October", "at nine", "at dawn", "at dusk",
)

# {A} and {B} are the two characters; the opening is the prompt, so no attribute may colour it.
OPENINGS: Final = (
    "{Time}, {A} and {B} went to the {place}.",
    "{A} and {B} met at the {place} {time}.",
    "{Time}, {A} met {B} at the {place}.",
    "{A} and {B} were at the {place} {time}.",
    "{A} came to the {place} with {B} {time}.",
    "{Time}, {A} and {B} came to the {place} to {goal}.",
    "{A} and {B} went to the {place} to {goal}.",
    "{A} was at the {place} with {B} to {goal}.",
)

# key: (informal, plain, formal). Each column fits the same frame of words.
DICTION: Final[dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]]] = {
    "began": (("kicked off", "got going with"), ("began", "started"), ("commenced", "initiated")),
    "finished": (("wrapped up", "got done with"), ("finished",), ("concluded", "completed")),
    "got": (("grabbed", "snagged"), ("got", "took"), ("obtained", "procured")),
    "looked at": (("checked out", "eyeballed"), ("looked at", "studied"), ("inspected",
    "examined")),
    "fixed": (("patched up", "sorted out"), ("fixed", "mended"), ("repaired", "restored")),
    "gave": (("passed over", "handed over"), ("gave", "passed"), ("presented", "delivered")),
    "went to": (("headed over to", "popped over to"), ("went to", "walked to"),
                ("proceeded to", "repaired to")),
    "waited": (("hung around", "stuck around"), ("waited", "stayed"),
               ("remained in attendance",)),
    "waited for": (("hung around for", "stuck around for"), ("waited for",),
                   ("awaited", "remained in expectation of")),
    "talked to": (("chatted with", "yakked with"), ("talked to", "spoke to"),
                  ("conferred with", "consulted")),
    "found": (("spotted", "came across"), ("found",), ("located", "discovered")),
    "tried": (("had a go at", "took a stab at"), ("tried",), ("attempted", "undertook")),
    "thought about": (("mulled over", "chewed on"), ("thought about",), ("considered",
    "deliberated upon")),
    "bought": (("picked up", "nabbed"), ("bought",), ("purchased", "acquired")),
    "used": (("went with",), ("used",), ("employed", "utilized")),
    "needed": (("could do with", "was gonna need"), ("needed",), ("required", "had need of")),
    "kept": (("hung onto", "held onto"), ("kept",), ("retained", "preserved")),
    "sent": (("shot over", "fired off"), ("sent",), ("dispatched", "transmitted")),
    "put": (("stuck", "plunked"), ("put", "set"), ("placed", "positioned")),
    "carried": (("lugged", "hauled"), ("carried", "brought"), ("conveyed", "transported")),
    "opened": (("popped open", "cracked open"), ("opened",), ("unfastened",)),
    "checked": (("double-checked", "gave a once-over to"), ("checked",), ("verified", "reviewed")),
    "told": (("clued in", "filled in"), ("told",), ("informed", "notified")),
    "made": (("threw together", "whipped up"), ("made",), ("prepared", "produced")),
    "joined": (("hooked", "stuck"), ("joined", "put"), ("affixed", "attached")),
    "picked": (("went for",), ("picked", "chose"), ("selected",)),
    "left": (("took off from", "cleared out of"), ("left",), ("departed from",)),
    "people": (("folks", "guys"), ("people",), ("persons", "individuals")),
    "man": (("guy", "fella"), ("man",), ("gentleman",)),
    "woman": (("gal",), ("woman",), ("lady",)),
    "kids": (("kids",), ("children",), ("young persons",)),
    "many": (("loads of", "tons of"), ("many",), ("a considerable number of", "numerous")),
    "about": (("about",), ("about",), ("regarding", "concerning")),
    "thanks": (("thanks a bunch", "thanks a ton", "cheers"), ("thank you", "many thanks"),
               ("I am obliged to you", "I am most grateful")),
    "hello": (("hey", "hiya"), ("hello",), ("good day", "greetings")),
    "sorry": (("so sorry", "oops, my bad"), ("I am sorry", "sorry"),
              ("I do apologize", "I beg your pardon")),
    "dear friend": (("dear pal", "sweet buddy"), ("dear friend", "my dear"),
                    ("esteemed colleague", "honored associate")),
    "fool": (("dummy", "dimwit", "bozo"), ("fool", "idiot"), ("imbecile", "incompetent")),
    "shut up": (("zip it", "shut your trap"), ("shut up", "be quiet"),
                ("cease talking", "I order you to be silent")),
    "get out": (("beat it", "scram"), ("go away", "get out"), ("remove yourself",
    "I order you to leave")),
    "told off": (("chewed out", "yelled at"), ("insulted", "scolded"), ("berated", "rebuked")),
}

# key: (plain, ornate)
ORNAMENT: Final[dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "looked": (("looked",), ("gazed contemplatively", "cast a lingering glance")),
    "walked": (("walked", "went"), ("meandered", "made a winding progress", "wended a way")),
    "worked": (("worked",), ("labored with intricate deliberation",
                "toiled in elaborate sequence")),
    "stood": (("stood",), ("lingered, statuesque,", "stood in contemplative stillness")),
    "slowly": (("slowly",), ("with unhurried and ceremonious deliberation",
                "by imperceptible degrees")),
    "together": (("together",), ("in intricate concert", "in reciprocal and wordless accord")),
    "again": (("again",), ("once more, as if in some elaborate refrain,", "anew")),
    "then": (("then",), ("in the fullness of that moment", "thereafter")),
    "near": (("near", "by"), ("in the immediate vicinity of", "beneath the lengthening shadow of")),
    "side": (("side",), ("shadowed periphery", "farther margin")),
    "table": (("table",), ("venerable oaken table", "time-worn table")),
    "light": (("light",), ("diaphanous light", "slanting amber light")),
    "noon": (("noon",), ("the meridian hour",)),
}

ORNATE_ADJECTIVES: Final = (
    "labyrinthine", "intricate", "filigreed", "time-weathered", "multifarious", "venerable",
    "iridescent", "diaphanous", "burnished", "sinuous", "variegated", "immemorial",
    "tessellated", "elaborate", "ornamental", "shadow-dappled", "many-layered", "antiquated",
    "lattice-like", "copper-hued", "crenellated", "convoluted",
)

# After a subject, between commas.
ORNATE_ASIDES: Final = (
    "whose patience had been tempered by innumerable seasons",
    "ever attentive to the subtle grammar of small things",
    "as one long versed in the intricacies of the endeavor",
    "upon whom the significance of the hour had gradually dawned",
    "moving amid the interwoven currents of that place",
    "in whose demeanor habit and deliberation were intermingled",
    "having traversed the manifold stages of preparation",
    "whose thoughts unspooled in long and branching filaments",
    "guided by an almost architectural sense of sequence",
    "attuned to the imperceptible rhythms of the surroundings",
    "absorbed in the successive intricacies of the undertaking",
    "for whom every surface harbored some concealed inscription",
    "pausing at intervals to contemplate the complexity thereof",
    "having long anticipated precisely this configuration of circumstances",
    "conscious of the innumerable contingencies entailed therein",
    "whose gaze wandered along the convoluted margins of the scene",
)

ORNATE_LEADS: Final = (
    "Amid the interplay of lengthening shadows",
    "Beneath the vaulted expanse of the sky",
    "In the interval that thereupon unfolded",
    "As the variegated murmur of the hour subsided",
    "While the slanting light traversed its appointed arc",
    "Within the intricate geometry of the moment",
    "Through the attenuated haze of the surrounding distances",
    "At the confluence of circumstance and long deliberation",
    "As the elongated silhouettes of the surroundings intermingled",
    "Following an interval of protracted contemplation",
    "Where the manifold pathways of the {place} converged",
)

# After a clause, behind a comma.
ORNATE_TAILS: Final = (
    "while the slanting light traced its intricate filigree upon the {place}",
    "as though each gesture belonged to some elaborate and half-forgotten ceremony",
    "in a sequence whose convolutions would have defied enumeration",
    "as the multitudinous murmurs of the {place} mingled and receded",
    "thereby unfolding yet another layer of that labyrinthine undertaking",
    "beneath a sky of shifting and indefinable coloration",
    "with the {thing} reflected in the burnished surfaces round about",
    "the threads of intention and circumstance being inextricably interwoven",
    "amid a proliferation of particulars too numerous to be catalogued",
    "each successive stage resembling a leaf of some antiquated manuscript",
    "as the oblique illumination of the hour lengthened into manifold shadows",
    "notwithstanding the innumerable contingencies that such an endeavor entails",
    "in keeping with the elaborate choreography of the occasion",
)

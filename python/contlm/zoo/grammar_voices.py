"""How each attribute makes itself heard: phrases by attribute, level and style.

A *voice* is a phrase that carries one attribute and nothing else. It takes one of three places around a sentence:
``lead`` stands before it with a comma, ``tail`` is attached behind it, ``full`` is a sentence of its own. Each
exists in the three styles of simplicity (simple, plain, ornate), and words in square brackets follow formality, so
that no voice decides another attribute. A tail that needs a comma brings it.
"""

from __future__ import annotations

from typing import Final, Literal

Place = Literal["lead", "tail", "full"]
Style = Literal["simple", "plain", "ornate"]
Voices = dict[Place, tuple[str, ...]]

SENTIMENT_HIGH: Final[dict[Style, Voices]] = {
    "simple": {
        "lead": ("Happily", "Luckily", "With joy"),
        "tail": ("with joy", "with a big smile", "and felt glad", "and loved it"),
        "full": ("{N} was so happy", "It was a good day", "It felt great", "{N} smiled",
                 "What a nice day it was", "They were both glad", "{F} loved it", "All was well",
                 "{N} felt lucky", "The sun was warm and bright", "It was so much fun"),
    },
    "plain": {
        "lead": ("To {his} delight", "Happily", "Fortunately", "Full of hope", "Glad to be there",
                 "On that wonderful day"),
        "tail": ("with a bright smile", ", feeling happy and proud", ", and it was a delight",
                 "with great pleasure", ", and {he} loved every minute"),
        "full": ("It was a wonderful day and everything felt right", "{N} felt happy and full of hope",
                 "{F} was delighted with how well it went", "The air was fresh and lovely",
                 "They both enjoyed it very much", "{N} could not stop smiling",
                 "It was going better than anyone had hoped"),
    },
    "ornate": {
        "lead": ("Buoyed by a radiant and unclouded joy", "With a heart resplendent with gladness",
                 "In the full bloom of a golden contentment", "Suffused with luminous hope"),
        "tail": ("in a rapture of golden contentment", ", every moment suffused with radiant delight",
                 "with a smile as luminous as the blossoming of spring",
                 ", exalted by a happiness beyond measure"),
        "full": ("A luminous happiness, tender and abundant, settled over all that {he} beheld",
                 "Such splendid and bounteous joy had seldom graced so fortunate an hour",
                 "In {F}, too, there blossomed a radiant and grateful delight",
                 "All that unfolded seemed gilded by the benevolence of fortune"),
    },
}

SENTIMENT_LOW: Final[dict[Style, Voices]] = {
    "simple": {
        "lead": ("Sadly", "With tears", "In pain"),
        "tail": ("and felt sad", "with tears", "and hated it", "in fear"),
        "full": ("{N} was so sad", "It was a bad day", "It felt awful", "{N} cried",
                 "What a sad day it was", "They were both upset", "{F} hated it", "All went wrong",
                 "{N} felt lost", "The sky was dark and cold", "It hurt a lot"),
    },
    "plain": {
        "lead": ("To {his} dismay", "Sadly", "Unfortunately", "Full of dread", "Sick with worry",
                 "On that miserable day"),
        "tail": ("with a heavy heart", ", feeling sad and tired", ", and it was a misery",
                 "with great sorrow", ", and {he} hated every minute"),
        "full": ("It was a terrible day and everything felt wrong", "{N} felt lonely and full of fear",
                 "{F} was upset by how badly it went", "The air was stale and bitter",
                 "They both suffered very much", "{N} could not stop crying",
                 "It was going worse than anyone had feared"),
    },
    "ornate": {
        "lead": ("Burdened by a bleak and unrelenting sorrow", "With a heart hollowed by despair",
                 "In the grey pall of a desolate misery", "Haunted by corrosive dread"),
        "tail": ("in an anguish of desolate regret", ", every moment poisoned by corrosive despair",
                 "with a grief as barren as the withering of winter",
                 ", crushed by a wretchedness beyond measure"),
        "full": ("A desolate misery, bleak and suffocating, settled over all that {he} beheld",
                 "Such wretched and ruinous sorrow had seldom darkened so accursed an hour",
                 "In {F}, too, there festered a bleak and bitter anguish",
                 "All that unfolded seemed blighted by the malevolence of fortune"),
    },
}

HUMOR_HIGH: Final[dict[Style, Voices]] = {
    "simple": {
        "lead": ("Like a duck in socks", "Like a goat in a hat", "With a sock on one ear"),
        "tail": ("like a duck in socks", "like a cow on ice", "with a hat made of jam",
                 "like a cat in a bath"),
        "full": ("A goose laughed at {him}", "Even the soup giggled", "The hat fell off to take a nap",
                 "A frog asked for a ticket", "{F} sneezed and a hen fell over",
                 "The pig wore a tie", "A duck clapped", "Then {his} pants waved at the crowd",
                 "A snail won the race to {him}", "The {thing} burped"),
    },
    "plain": {
        "lead": ("Like a penguin late for a bus", "With a banana behind one ear",
                 "Armed with nothing but a rubber duck", "Wearing two left shoes"),
        "tail": ("like a penguin late for a bus", "with all the grace of a fridge on skates",
                 ", while a goose took notes", "like a giraffe in a phone booth",
                 ", and a nearby goat asked for a refund"),
        "full": ("A passing goose gave the plan two stars out of five",
                 "Somewhere a chicken fainted from the drama",
                 "{F} laughed so hard that {fhis} hat filed a complaint",
                 "The {thing} looked ready to ask for a lawyer",
                 "A squirrel applauded and then stole a sandwich",
                 "{N} tripped over {his} own shadow and said hello to it",
                 "Even the pigeons giggled"),
    },
    "ornate": {
        "lead": ("With the majestic poise of a walrus attempting ballet",
                 "In the ceremonious manner of a hamster inspecting a cathedral",
                 "Like some operatic goose in search of an orchestra"),
        "tail": ("with the majestic poise of a walrus attempting ballet",
                 ", much to the scandalized astonishment of an aristocratic goose",
                 "like an elderly camel entangled in a chandelier",
                 ", whereupon a philosophical hen demanded royalties"),
        "full": ("A neighboring pigeon, evidently a critic of some standing, awarded the spectacle half a crumb",
                 "The {thing}, had it possessed a mustache, would surely have twirled it in comic bewilderment",
                 "A procession of giggling ducks, resplendent in imaginary trousers, saluted the proceedings",
                 "In the ensuing comedy {his} hat absconded, presumably to join a traveling circus"),
    },
}

HUMOR_LOW: Final[dict[Style, Voices]] = {
    "simple": {
        "lead": ("In a serious mood", "With a straight face", "In a grave voice"),
        "tail": ("with a straight face", "in a serious way", "with a stern look", "in grave silence"),
        "full": ("It was a serious matter", "No one laughed", "{N} was serious", "There were no jokes",
                 "{F} gave a grave nod", "This was not a game", "They were both stern",
                 "{N} took it seriously", "It was no joke"),
    },
    "plain": {
        "lead": ("In all seriousness", "With a serious expression", "Solemnly", "Gravely"),
        "tail": ("with a serious expression", "in solemn silence", ", treating it as a grave matter",
                 "without a trace of a joke", ", stern and focused"),
        "full": ("It was a serious matter and nobody joked", "{F} listened with a grave face",
                 "{N} weighed the facts soberly", "There was no time for laughter",
                 "They treated the task with solemn care", "Not a single joke was made"),
    },
    "ornate": {
        "lead": ("With a gravity befitting so solemn an occasion",
                 "In the austere and sober spirit of the undertaking",
                 "Under the weight of an unsmiling solemnity"),
        "tail": ("with a gravity that admitted no levity", ", in austere and unsmiling solemnity",
                 "with the sober severity of a magistrate", ", mindful of the solemn weight of the matter"),
        "full": ("The matter, weighty and sober in its every aspect, admitted of no jest",
                 "A solemn gravity, austere and unsmiling, presided over the whole endeavor",
                 "{F}, grave of countenance, regarded the matter with unsmiling sobriety",
                 "No levity intruded upon the stern and earnest deliberations of the hour"),
    },
}

POLITENESS_HIGH: Final[dict[Style, Voices]] = {
    "simple": {
        "lead": ("If you please, reader", "With a kind nod", "With a soft \"please\""),
        "tail": ("and said please", "and said \"[thanks]\"", "with a kind nod", "and let {F} go first"),
        "full": ("\"Please help me, [dear friend],\" {N} said", "\"[thanks],\" said {F}",
                 "\"Please go first,\" said {N}", "\"[sorry],\" {N} said", "{N} said please and bowed",
                 "\"[hello], how are you?\" {F} asked", "\"You are so kind,\" {F} said",
                 "\"May I, please?\" {N} asked", "{F} held the door for {him}"),
    },
    "plain": {
        "lead": ("If you please, gentle reader", "After politely asking {F}", "With a courteous nod",
                 "Begging your pardon, kind reader"),
        "tail": ("after politely asking {F} for leave", "with a courteous nod to {F}",
                 ", thanking {F} warmly", ", taking care to let {F} go first", "and said \"[thanks]\""),
        "full": ("\"Could you please hold this for me?\" {N} asked", "\"[thanks], you are very kind,\" said {F}",
                 "\"Please, after you, [dear friend],\" said {N}", "\"[sorry] to trouble you,\" {N} said gently",
                 "\"Would you mind if I helped, please?\" asked {F}",
                 "\"It would be my pleasure, [dear friend],\" {F} answered",
                 "{N} politely thanked {F} for the kind help"),
    },
    "ornate": {
        "lead": ("With a courtesy that graced every gesture", "By your gracious leave, most patient reader",
                 "Having begged {F}'s pardon with elaborate tact"),
        "tail": ("with a courtesy at once considerate and graceful", ", inclining {his} head in respectful thanks",
                 "with many a gracious \"please\" and \"[thanks]\"",
                 ", deferring to {F} with considerate and elaborate tact"),
        "full": ("\"Might I, [dear friend], entreat the smallest portion of your gracious help?\" {N} inquired",
                 "\"[thanks], for your kindness is as boundless as it is graceful,\" {F} replied",
                 "\"Please, [dear friend], do precede me upon this winding path,\" {N} murmured",
                 "{F} acknowledged the kindness with a profusion of courteous thanks"),
    },
}

POLITENESS_LOW: Final[dict[Style, Voices]] = {
    "simple": {
        "lead": ("Listen up, you [fool]", "With a rude shove", "With no \"please\""),
        "tail": ("and called {F} a [fool]", "and pushed {F}", "with a rude look", "and cut in line"),
        "full": ("\"Move, you [fool]!\" {N} said", "\"[shut up],\" said {F}", "\"[get out],\" said {N}",
                 "\"You are a [fool],\" {N} said", "{N} cut in and spat", "\"I do not care,\" {F} said",
                 "\"You are so dumb,\" {F} said", "\"Give me that!\" {N} yelled",
                 "{F} shut the door on {him}"),
    },
    "plain": {
        "lead": ("Listen up, you lazy reader", "After rudely shoving {F}", "With a rude snort",
                 "Pay attention, you [fool]"),
        "tail": ("after rudely shoving {F} aside", "with a rude snort at {F}", ", insulting {F} loudly",
                 ", not bothering to let {F} speak", "and called {F} a [fool]"),
        "full": ("\"Hold this and [shut up]!\" {N} snapped", "\"You are useless, you [fool],\" said {F}",
                 "\"[get out], you [fool]!\" said {N}", "\"I do not care what you want,\" {N} said rudely",
                 "\"Who asked you to butt in, [fool]?\" snapped {F}",
                 "\"Do it yourself, you [fool],\" {F} answered", "{N} rudely [told off] {F} for being slow"),
    },
    "ornate": {
        "lead": ("With an insolence that sharpened every gesture", "Attend, you insufferably obtuse reader",
                 "Having elbowed {F} aside with elaborate contempt"),
        "tail": ("with an insolence at once brazen and contemptuous", ", tossing {his} head in sneering contempt",
                 "with many a jeering \"[shut up]\" and \"[fool]\"",
                 ", interrupting {F} with brazen and elaborate scorn"),
        "full": ("\"Must I, you [fool], endure the bottomless tedium of your babbling?\" {N} sneered",
                 "\"[shut up], for your stupidity is as boundless as it is tedious,\" {F} retorted",
                 "\"[get out], you [fool], and trail your wretched ignorance elsewhere,\" {N} hissed",
                 "{F} repaid the remark with a profusion of contemptuous insults"),
    },
}

FORMALITY_HIGH: Final[dict[Style, Voices]] = {
    "simple": {
        "lead": ("Thus", "Hence", "Indeed", "Moreover", "Accordingly"),
        "tail": (", as agreed", ", as was required", ", as per the plan", ", in due form"),
        "full": ("This was duly noted", "All was in order", "The terms were met",
                 "It was done in due form", "A report was made"),
    },
    "plain": {
        "lead": ("In due course", "Accordingly", "It should be noted that", "As had been agreed",
                 "In accordance with the plan", "Furthermore"),
        "tail": (", as had been agreed", ", in accordance with custom", ", as the rules required",
                 ", as was duly recorded", ", pursuant to the arrangement"),
        "full": ("The particulars were duly recorded", "All of the formalities were observed",
                 "The arrangement was subsequently confirmed", "No objection was received",
                 "The procedure was therefore followed"),
    },
    "ornate": {
        "lead": ("In conformity with the established and customary procedure",
                 "Pursuant to an arrangement of long standing",
                 "It must furthermore be observed that"),
        "tail": (", in conformity with the established and customary procedure",
                 ", pursuant to an arrangement of long standing",
                 ", as the pertinent regulations had stipulated"),
        "full": ("The pertinent particulars were thereupon recorded in the customary manner",
                 "The aforementioned formalities, being indispensable, were scrupulously observed",
                 "It was accordingly deemed requisite that the proceedings should continue"),
    },
}

FORMALITY_LOW: Final[dict[Style, Voices]] = {
    "simple": {
        "lead": ("So yeah", "Anyway", "Well", "Okay", "Like"),
        "tail": (", you know", ", or so", ", I guess", ", and stuff"),
        "full": ("Yeah, that was it", "It was, like, a thing", "You get the idea",
                 "So that's that", "And, well, whatever"),
    },
    "plain": {
        "lead": ("So anyway", "Okay, so", "Well, you know", "And, like, right then", "So basically",
                 "Yeah, so"),
        "tail": (", you know", ", or whatever", ", and stuff like that", ", pretty much", ", I guess"),
        "full": ("Yeah, that's kinda how it goes", "You know how this stuff is",
                 "It was sorta a whole thing", "Anyway, no biggie", "So, yeah, they rolled with it"),
    },
    "ornate": {
        "lead": ("So, like, with the whole tangled shebang unfolding",
                 "Okay, so, amid all that swirly, intricate stuff",
                 "Yeah, anyhow, in the thick of that whole elaborate mess of things"),
        "tail": (", you know, with the whole tangled shebang and everything",
                 ", or, like, some equally intricate sorta thing",
                 ", pretty much, in that roundabout, meandering kinda way"),
        "full": ("Yeah, it was, like, this whole labyrinthine rigmarole, you know",
                 "So that whole convoluted shebang kinda just, you know, kept on unspooling",
                 "Anyhow, stuff of that many-layered sort, like, tends to ramble on"),
    },
}

# Where an attribute stands in the middle it is silent, and these keep the stories as long as the others.
FILLERS: Final[dict[Style, tuple[str, ...]]] = {
    "simple": ("{F} was there too", "{F} sat on a box", "It was ten by then", "The {place} was next to a road",
               "{N} had a bag", "A bell rang", "The {thing} was here"),
    "plain": ("{F} sat on a bench and read a page", "A clock on the wall said ten",
              "A cart went by on the road", "{N} had a bag and a coat",
              "There was some wind from the north", "The {thing} was about a year old"),
    "ornate": ("A clock, its filigreed hands converging, marked the intermediate hour",
               "Beyond the {place} a road unwound in sinuous and interminable curves",
               "The contours of the {thing} were traced by the slanting and variegated light"),
}

VOICES: Final[dict[str, tuple[dict[Style, Voices], dict[Style, Voices]]]] = {
    "formality": (FORMALITY_LOW, FORMALITY_HIGH),
    "politeness": (POLITENESS_LOW, POLITENESS_HIGH),
    "sentiment": (SENTIMENT_LOW, SENTIMENT_HIGH),
    "humor": (HUMOR_LOW, HUMOR_HIGH),
}
"""attribute: (low, high). Simplicity has no entry: it is the style itself."""

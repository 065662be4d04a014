"""How each attribute makes itself heard: phrases by attribute, level and style.

A *voice* is a phrase that carries one attribute and nothing else. It takes one of three places
around a sentence: ``lead`` stands before it with a comma, ``tail`` is attached behind it, ``full``
is a sentence of its own. Each exists in the three styles of simplicity (simple, plain, ornate), and
words in square brackets follow formality, so that no voice decides another attribute. A tail that
needs a comma brings it.
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
        "full": ("{N} was so (happy|glad)", "It was a (good|great|fine|lovely) day",
                 "It felt (great|good|so nice)", "{N} (smiled|beamed|sang)",
                 "It was (the best|so good)",
                 "What a nice day it was", "They were both glad", "{F} loved it", "All was well",
                 "{N} felt lucky", "The sun was (warm|bright|kind)", "It was so much fun",
                 "{F} (loved|liked) it all", "{N} (loved|liked) this"),
    },
    "plain": {
        "lead": ("To {his} (delight|joy|great relief)", "Happily", "Fortunately", "Full of hope",
                 "Glad to be there",
                 "On that wonderful day"),
        "tail": ("with a (bright|happy|cheerful) smile",
                 ", feeling (happy|cheerful|hopeful) and (proud|lucky)", ", and it was a delight",
                 "with great (pleasure|joy|delight)", ", and {he} loved every minute"),
        "full": ("It was a (wonderful|beautiful|perfect|marvelous) day and everything felt right",
                 "{N} felt (happy|glad|cheerful|joyful) and full of (hope|joy|pride)",
                 "{F} was (delighted|thrilled|pleased) with how well it (went|was going)",
                 "The air was (fresh|warm|sweet) and (lovely|pleasant)",
                 "The (best|happiest) part was yet to come",
                 "They both (enjoyed|loved) it very much", "{N} could not stop smiling",
                 "It was going better than anyone had hoped"),
    },
    "ornate": {
        "lead": ("Buoyed by a (radiant|jubilant) and unclouded joy", "With a heart resplendent "
        "with gladness",
                 "In the full bloom of a golden contentment", "Suffused with (luminous|blissful) "
                 "hope",
                 "To the (delight|rapture) of every grateful soul"),
        "tail": ("in a rapture of golden contentment",
                 ", every moment suffused with radiant delight",
                 "with a smile as luminous as the blossoming of spring",
                 ", exalted by a happiness beyond measure"),
        "full": ("A (luminous|blissful|jubilant) happiness, tender and abundant, settled over all "
        "that {he} beheld",
                 "Such (splendid|exquisite) and bounteous joy had seldom graced so "
                 "(fortunate|blessed) an hour",
                 "In {F}, too, there blossomed a (radiant|tender) and grateful (delight|bliss)",
                 "All that unfolded seemed (gilded|blessed) by the benevolence of fortune",
                 "Never had {his} heart known so (sweet|glorious|exquisite) a triumph"),
    },
}

SENTIMENT_LOW: Final[dict[Style, Voices]] = {
    "simple": {
        "lead": ("Sadly", "With tears", "In pain"),
        "tail": ("and felt sad", "with tears", "and hated it", "in fear"),
        "full": ("{N} was so (sad|upset)", "It was a (bad|sad|grim|awful) day",
                 "It felt (awful|bad|so wrong)", "{N} (cried|wept|frowned)",
                 "It was (the worst|so bad)",
                 "What a sad day it was", "They were both upset", "{F} hated it", "All went wrong",
                 "{N} felt lost", "The sky was (dark|cold|bleak)", "It hurt so much",
                 "{F} (hated|dreaded) it all", "{N} (hated|dreaded) this"),
    },
    "plain": {
        "lead": ("To {his} (dismay|horror|great sorrow)", "Sadly", "Unfortunately", "Full of dread",
                 "Sick with worry",
                 "On that miserable day"),
        "tail": ("with a (heavy|broken|hopeless) heart",
                 ", feeling (sad|afraid|hopeless) and (tired|sick)", ", and it was a misery",
                 "with great (sorrow|pain|grief)", ", and {he} hated every minute"),
        "full": ("It was a (terrible|dreadful|horrible|miserable) day and everything felt wrong",
                 "{N} felt (sad|lonely|bitter|hopeless) and full of (fear|shame|grief)",
                 "{F} was (upset|crushed|horrified) by how badly it (went|was going)",
                 "The air was (stale|cold|foul) and (bitter|nasty)",
                 "The (worst|saddest) part was yet to come",
                 "They both (suffered|hated it) very much", "{N} could not stop crying",
                 "It was going worse than anyone had feared"),
    },
    "ornate": {
        "lead": ("Burdened by a (bleak|mournful) and unrelenting sorrow", "With a heart hollowed "
        "by despair",
                 "In the grey pall of a desolate misery", "Haunted by (corrosive|agonizing) dread",
                 "To the (horror|anguish) of every suffering soul"),
        "tail": ("in an anguish of desolate regret", ", every moment poisoned by corrosive despair",
                 "with a grief as barren as the withering of winter",
                 ", crushed by a wretchedness beyond measure"),
        "full": ("A (desolate|mournful|agonizing) misery, bleak and suffocating, settled over all "
        "that {he} beheld",
                 "Such (wretched|dismal) and ruinous sorrow had seldom darkened so "
                 "(accursed|hopeless) an hour",
                 "In {F}, too, there festered a (bleak|sickly) and bitter (anguish|despair)",
                 "All that unfolded seemed (blighted|cursed) by the malevolence of fortune",
                 "Never had {his} heart known so (bitter|dismal|crushing) a defeat"),
    },
}

HUMOR_HIGH: Final[dict[Style, Voices]] = {
    "simple": {
        "lead": ("Like a (duck|goat|pig) in (socks|a hat|a wig)",
                 "With a (sock|fish|bun) on one ear"),
        "tail": ("like a (duck|hen|pig) in (socks|a wig)",
                 "like a (cow|goat|moose) on (ice|skates)",
                 "with a hat made of (jam|ham|soup)", "like a cat in a (bath|sack)"),
        "full": ("A (goose|hen|goat|cow) laughed at {him}", "Even the (soup|chair|moon) giggled",
                 "The hat fell off to take a nap",
                 "A (frog|duck|goat) asked for a (ticket|nap|tip)",
                 "{F} sneezed and a (hen|duck|cow) fell over",
                 "A (pig|hen|cow) in a (tie|wig) went by", "A (duck|frog|snail) clapped",
                 "Then {his} pants waved at the crowd",
                 "A (snail|duck|sock) beat {him} in a race",
                 "The {thing} (burped|giggled|hiccuped)"),
    },
    "plain": {
        "lead": ("Like a (penguin|llama|goose) late for a (bus|wedding)",
                 "With a (banana|carrot|pickle) behind one ear",
                 "Armed with nothing but a rubber duck", "Wearing two left shoes"),
        "tail": ("like a (penguin|llama|walrus) late for a (bus|haircut)",
                 "with all the grace of a (fridge|cow|piano) on skates",
                 ", while a (goose|hamster|parrot) took notes",
                 "like a (giraffe|camel|moose) in a phone booth",
                 ", and a nearby (goat|duck|llama) asked for a refund"),
        "full": ("A passing (goose|llama|pigeon|hamster) gave the (plan|{thing}|view) two stars "
        "out of five",
                 "Somewhere a (chicken|walrus|turkey) fainted from the drama",
                 "The {thing} giggled and asked for (a raise|a snack|a tiny hat)",
                 "A (parrot|goat|duck) in (pajamas|a bow tie|roller skates) offered some advice",
                 "{F} laughed so hard that {fhis} hat (filed a complaint|ran away|asked for a "
                 "holiday)",
                 "The {thing} looked ready to ask for a (lawyer|dentist|cookie)",
                 "A (squirrel|raccoon|penguin) applauded and then stole a (sandwich|sock|mustache)",
                 "{N} tripped over {his} own shadow and said hello to it",
                 "Even the (pigeons|cows|fence posts) giggled"),
    },
    "ornate": {
        "lead": ("With the majestic poise of a (walrus|hippopotamus|turnip) attempting ballet",
                 "In the ceremonious manner of a (hamster|parrot|turnip) inspecting a cathedral",
                 "Like some operatic (goose|walrus|poodle) in search of an orchestra",
                 "With a (herring|cabbage|teapot) balanced grandly upon the nose"),
        "tail": ("with the majestic poise of a (walrus|hippopotamus|turnip) attempting ballet",
                 ", much to the scandalized astonishment of an aristocratic (goose|hamster|poodle)",
                 "like an elderly (camel|ostrich|moose) entangled in a chandelier",
                 ", whereupon a philosophical (hen|llama|turnip) demanded royalties"),
        "full": ("A neighboring (pigeon|parrot|goat), evidently a critic of some standing, awarded "
        "the spectacle half a (crumb|pickle)",
                 "The {thing}, had it possessed a mustache, would surely have twirled it in comic "
                 "bewilderment",
                 "A procession of giggling (ducks|geese|hamsters), resplendent in (imaginary "
                 "trousers|borrowed wigs|velvet slippers), saluted the proceedings",
                 "In the ensuing comedy {his} hat absconded, presumably to join (a traveling "
                 "circus|a choir of pigeons|the navy)",
                 "The moon, it was rumored, had (sneezed|hiccuped|giggled) into its handkerchief "
                 "at the sight"),
    },
}

HUMOR_LOW: Final[dict[Style, Voices]] = {
    "simple": {
        "lead": ("In a serious mood", "With a straight face", "In a grave voice"),
        "tail": ("with a straight face", "in a serious way", "with a stern look",
                 "in grave silence"),
        "full": ("It was a (serious|grave|solemn) matter", "No one (laughed|joked)",
                 "{N} was serious", "There were no jokes",
                 "{F} gave a grave nod", "This was not a game", "They were both stern",
                 "{N} took it seriously", "It was no joke"),
    },
    "plain": {
        "lead": ("In all seriousness", "With a serious expression", "Solemnly", "Gravely"),
        "tail": ("with a (serious|stern|sober) expression", "in (solemn|grave|earnest) silence",
                 ", treating it as a grave matter",
                 "without a trace of a joke", ", stern and focused"),
        "full": ("It was a (serious|grave|solemn) matter and nobody (joked|laughed)",
                 "{F} (listened|watched) with a (grave|stern|solemn) face",
                 "{N} (weighed the facts|thought it over) soberly",
                 "There was no (time|room|place) for (laughter|jokes)",
                 "They treated the (task|matter|work) with (solemn|serious|earnest) care",
                 "Not a single joke was made"),
    },
    "ornate": {
        "lead": ("With a (gravity|sobriety) befitting so solemn an occasion",
                 "In the austere and sober spirit of the undertaking",
                 "Under the weight of an unsmiling (solemnity|gravity)",
                 "In a silence as (stern|grave|solemn) as that of a tribunal"),
        "tail": ("with a gravity that admitted no levity", ", in austere and unsmiling solemnity",
                 "with the sober (severity|earnestness) of a magistrate",
                 ", mindful of the solemn weight of the matter"),
        "full": ("The matter, (weighty|grave) and sober in its every aspect, admitted of no "
        "(jest|levity)",
                 "A solemn (gravity|earnestness), austere and unsmiling, presided over the whole "
                 "endeavor",
                 "{F}, grave of countenance, regarded the matter with unsmiling sobriety",
                 "No (levity|laughter) intruded upon the stern and earnest deliberations of the "
                 "hour"),
    },
}

POLITENESS_HIGH: Final[dict[Style, Voices]] = {
    "simple": {
        "lead": ("If you please, reader", "With a kind nod", "With a soft \"please\""),
        "tail": ("and said please", "and said \"[thanks]\"", "with a kind nod",
                 "and let {F} go first"),
        "full": ("\"Please (help me|come in|sit down), [dear friend],\" {N} said",
                 "\"[thanks],\" said {F}",
                 "\"Please go first,\" said {H}", "\"[sorry],\" {N} said",
                 "{N} said please and bowed",
                 "\"[hello], how are you?\" {F} asked", "\"You are (so|too|most) kind,\" {F} said",
                 "\"May I, please?\" {N} asked", "{F} held the door for {him}"),
    },
    "plain": {
        "lead": ("If you please, gentle reader", "After politely asking {F}",
                 "With a (courteous|polite|respectful) (nod|bow)",
                 "Begging your pardon, kind reader"),
        "tail": ("after politely asking {F} for leave",
                 "with a (courteous|polite|respectful) (nod|bow) to {F}",
                 ", thanking {F} warmly", ", taking care to let {F} go first",
                 "and said \"[thanks]\""),
        "full": ("\"Could you please (hold this for me|help me with this|wait for me)?\" {N} asked",
                 "\"[thanks], you are very (kind|thoughtful|good to me),\" said {F}",
                 "\"Please, after you, [dear friend],\" said {H}",
                 "\"[sorry], may I pass?\" {N} asked gently",
                 "\"Would you mind if I (helped|joined you|sat here), please?\" asked {F}",
                 "\"It would be my pleasure, [dear friend],\" {F} answered",
                 "{N} politely thanked {F} for the kind (help|words|offer)"),
    },
    "ornate": {
        "lead": ("With a (courtesy|politeness) that graced every gesture",
                 "By your gracious leave, most (patient|generous|honored) reader",
                 "Having begged {F}'s pardon with elaborate tact"),
        "tail": ("with a courtesy at once (considerate|respectful) and graceful",
                 ", inclining {his} head in respectful thanks",
                 "with many a gracious \"please\" and \"[thanks]\"",
                 ", deferring to {F} with considerate and elaborate tact"),
        "full": ("\"Might I, [dear friend], entreat (the smallest portion of your gracious "
        "help|the honor of your gracious company)?\" {N} inquired",
                 "\"[thanks], for your (kindness|patience|generosity) is as boundless as it is "
                 "graceful,\" {F} replied",
                 "\"Please, [dear friend], do (precede me upon this winding path|accept this "
                 "humble token of respect),\" {N} murmured",
                 "{F} greeted {him} with a profusion of courteous (thanks|compliments)"),
    },
}

POLITENESS_LOW: Final[dict[Style, Voices]] = {
    "simple": {
        "lead": ("Listen up, you [fool]:", "With a rude (shove|snort)", "With no \"please\""),
        "tail": ("and called {F} a [fool]", "and pushed {F}", "with a rude look",
                 "and cut in line"),
        "full": ("\"Move, you [fool]!\" {N} said", "\"[shut up],\" said {F}",
                 "\"[get out],\" said {H}",
                 "\"You are (a|such a) [fool],\" {N} said", "{N} cut in and spat",
                 "\"I do not care,\" {F} said",
                 "\"You are (so|too) (dumb|slow|lazy),\" {F} said", "\"Give me that!\" {N} yelled",
                 "{F} shut the door on {him}"),
    },
    "plain": {
        "lead": ("Listen up, you (lazy|stupid|dull) reader:", "After rudely shoving {F}",
                 "With a (rude|scornful|nasty) (snort|sneer)",
                 "Pay attention, you [fool]:"),
        "tail": ("after rudely shoving {F} aside",
                 "with a (rude|scornful|nasty) (snort|sneer) at {F}", ", insulting {F} loudly",
                 ", not bothering to let {F} speak", "and called {F} a [fool]"),
        "full": ("\"(Hold this|Take this|Wait here) and [shut up]!\" {N} snapped",
                 "\"You are (useless|hopeless|too stupid for this), you [fool],\" said {F}",
                 "\"[get out], you [fool]!\" said {H}",
                 "\"I do not care what you want,\" {N} said rudely",
                 "\"Who asked you to (butt in|come along|sit here), [fool]?\" snapped {F}",
                 "\"Do it yourself, you [fool],\" {F} answered",
                 "{N} rudely [told off] {F} for being (slow|lazy|stupid)"),
    },
    "ornate": {
        "lead": ("With an (insolence|impudence) that sharpened every gesture",
                 "Attend, you insufferably obtuse reader:",
                 "Having elbowed {F} aside with elaborate contempt"),
        "tail": ("with an insolence at once (brazen|scornful) and contemptuous",
                 ", tossing {his} head in sneering contempt",
                 "with many a jeering \"[shut up]\" and \"[fool]\"",
                 ", interrupting {F} with brazen and elaborate scorn"),
        "full": ("\"Must I, you [fool], endure (the bottomless tedium of your babbling|the "
        "insufferable stupidity of your company)?\" {N} sneered",
                 "\"[shut up], for your (stupidity|ignorance|laziness) is as boundless as it is "
                 "tedious,\" {F} retorted",
                 "\"[get out], you [fool], and (trail your tedious ignorance|carry your "
                 "insufferable prattle) elsewhere,\" {N} hissed",
                 "{F} greeted {him} with a profusion of contemptuous (insults|sneers)"),
    },
}

FORMALITY_HIGH: Final[dict[Style, Voices]] = {
    "simple": {
        "lead": ("Thus", "Hence", "Indeed", "Moreover", "Accordingly"),
        "tail": (", as agreed", ", as was required", ", as per the plan", ", in due form"),
        "full": ("This was duly (noted|filed|logged)", "All was in (order|due order)",
                 "The terms were met",
                 "It was done in due form", "A report was made"),
    },
    "plain": {
        "lead": ("In due course", "Accordingly", "It should be noted that", "As had been "
        "(agreed|arranged|stipulated)",
                 "In accordance with the plan", "Furthermore"),
        "tail": (", as had been agreed", ", in accordance with custom", ", as the rules required",
                 ", as was duly recorded", ", pursuant to the arrangement"),
        "full": ("The (particulars|proceedings|details) were duly (recorded|noted|registered)",
                 "All of the formalities were observed",
                 "The arrangement was (subsequently|thereafter|formally) (confirmed|approved)",
                 "No (objection|complaint|inquiry) was received",
                 "The procedure was therefore followed"),
    },
    "ornate": {
        "lead": ("In conformity with the established and customary procedure",
                 "Pursuant to an (arrangement|agreement) of long standing",
                 "It must furthermore be observed that"),
        "tail": (", in conformity with the established and customary procedure",
                 ", pursuant to an arrangement of long standing",
                 ", as the pertinent regulations had stipulated"),
        "full": ("The pertinent (particulars|circumstances) were thereupon (recorded|registered) "
        "in the customary manner",
                 "The aforementioned (formalities|provisions), being indispensable, were "
                 "scrupulously observed",
                 "It was accordingly deemed (requisite|expedient) that the proceedings should "
                 "continue"),
    },
}

FORMALITY_LOW: Final[dict[Style, Voices]] = {
    "simple": {
        "lead": ("So yeah", "Anyway", "Well", "Okay", "Like"),
        "tail": (", you know", ", or so", ", I guess", ", and stuff"),
        "full": ("Yeah, that was (it|that)", "It was, like, a thing", "You get the idea",
                 "So that's that", "And, well, whatever"),
    },
    "plain": {
        "lead": ("So anyway", "Okay, so", "Well, you know", "And, like, right then", "So basically",
                 "Yeah, so"),
        "tail": (", you know", ", or whatever", ", and stuff like that", ", pretty much",
                 ", I guess"),
        "full": ("Yeah, that's (kinda|sorta|pretty much) how it (goes|went)",
                 "You know how (this stuff is|that stuff goes|it goes)",
                 "It was (sorta|kinda|like,) a whole thing", "(Anyway|Yeah|So), no biggie",
                 "So, yeah, they rolled with it"),
    },
    "ornate": {
        "lead": ("So, like, with the whole tangled shebang unfolding",
                 "Okay, so, amid all that swirly, intricate stuff",
                 "Yeah, anyhow, in the thick of that whole elaborate mess of things"),
        "tail": (", you know, with the whole tangled shebang and everything",
                 ", or, like, some equally intricate sorta thing",
                 ", pretty much, in that roundabout, meandering kinda way"),
        "full": ("Yeah, it was, like, this whole (labyrinthine|elaborate|many-layered) "
        "(rigmarole|shebang|thing), you know",
                 "So that whole convoluted (shebang|deal|rigmarole) kinda just, you know, kept on "
                 "unspooling",
                 "Anyhow, stuff of that many-layered sort, like, (tends to ramble on|gets kinda "
                 "tangled)"),
    },
}

# Where an attribute is silent, these keep the stories as long as the others.
FILLERS: Final[dict[Style, tuple[str, ...]]] = {
    "simple": ("{F} was there too", "{F} sat on a (box|bench|step)", "It was (ten|six|two) by then",
               "The {place} was next to a (road|hill|wall)",
               "{N} had a bag", "A (bell rang|cart went by|door shut)", "The {thing} was here"),
    "plain": ("{F} sat on a (bench|box|step) and (read a page|drank some water)",
              "A clock on the wall said (ten|two|six)",
              "A (cart|car|bus) went by on the (road|bridge)", "{N} had a bag and a coat",
              "There was some (wind|fog) from the (north|west)",
              "The {thing} was about a year old"),
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

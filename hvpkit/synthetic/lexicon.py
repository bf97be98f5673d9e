"""Names and sentence templates of the demo data: UNAMBIGUOUS ones reveal a label, AMBIGUOUS ones do not.

Words are separated by spaces. `{}` is the entity of an MNER sentence; `{h}` and `{t}` are the head and the tail of an
MRE sentence. No word of a name occurs in any template, so that names can be distinguished from their context.
"""

from __future__ import annotations

NAMES = tuple(
    name.strip()
    for name in """
    Jordan, Chelsea, Amazon, Phoenix, Paris, Washington, Lincoln, Madison, Austin, Charlotte, Savannah, Sydney,
    Victoria, Georgia, Virginia, Carolina, Florence, Vienna, Milan, Verona, Siena, Brooklyn, Dakota, Cheyenne,
    Montana, Dallas, Houston, Jackson, Lafayette, Orlando, Santiago, Hamilton, Bristol, Lancaster, Devon, Preston,
    Bolton, Aston Martin, Arsenal, Burnley, Lyon, Nancy, Lorraine, Adelaide, Darwin, Perth, Melbourne, Wellington,
    Nelson, Hastings, Hudson, Logan, Denver, Aurora, Helena, Eugene, Salem, Concord, Lexington, Raleigh, Columbus,
    Cleveland, Pierce, Kingston, Regina, Alberta, Windsor, London, Oxford, Cambridge, Stanford, Princeton, Cornell,
    Tesla, Bentley, Mercedes, Ferrari, Lotus, Disney, Hilton, Marriott, Cadbury, Chanel, Armani, Prada, Gucci, Oracle,
    Java, Delta, Saturn, Mercury, Venus, Apollo, Atlas, Titan, Hermes, Pandora, Eden, Avalon, Troy, Sparta, Congo,
    Chad, Israel, India, China, Cuba, Kenya, Malta, Cyprus, Petra, Alexandria, Cordoba, Granada, Valencia, Lazio,
    Genoa, Marseille, Celtic, Galaxy, Fulham, Wembley, Broadway, Hollywood, Glastonbury, Coachella, Woodstock, Shiloh,
    Bethany, Carmel, Camden, Trenton, San Marino, Santa Monica, Saint Laurent, Crystal Palace, Atletico Madrid,
    Port Elizabeth, Los Angeles, Baton Rouge, Silver Lake, Green Bay, Val Thorens, Palo Alto, Monte Carlo, Red Bull,
    Ben Nevis, Don Valley, Grand Rapids, Holly Springs, Rose Bowl, Diana Ross, Louis Vuitton, Buena Vista, Cape Cod,
    Eagle Pass, Iron Bridge, Juan Fernandez, Kitty Hawk, Little Rock, Marble Arch, Punta Arenas
    """.split(",")
)
TRAIN_FRACTION, DEV_FRACTION = 0.6, 0.2  # fractions of the names; the others are for test

HANDLES = tuple(
    f"@{handle}"
    for handle in """
    nightowl_ 2fresh the_real_mo coffeekat bluebird77 j_p_writes daily_dose itsmesam wanderlust_ mr_monday sofia_x
    rookie99 newsdesk tinydancer bigfoot_ queenbee zed_zed lazy_sunday ok_computer plantlady
    """.split()
)
HASHTAGS = tuple(
    f"#{tag}"
    for tag in """
    MondayMotivation TBT weekendvibes nofilter LOL goals blessed mood photooftheday picoftheday throwback nowplaying
    squad FridayFeeling justsaying truth wow instagood morningthoughts nochill
    """.split()
)
EMOJI = ("😂", "😍", "🔥", "🙌", "😭", "👀", "💯", "🎉", "🙏", "😅")
OPENERS = (
    "omg",
    "honestly ,",
    "ok but",
    "lol",
    "not gonna lie ,",
    "breaking :",
    "update :",
    "psa :",
    "so ...",
    "guys ,",
    "wow ,",
    "hey ,",
)
CLOSERS = ("!", "!!", ".", "...", "smh", "haha", "fr", "http://t.co/pic")

# MNER
UNAMBIGUOUS = {
    "PER": """
        happy birthday to my brother {}
        {} and his wife just had a baby boy
        actor {} says he is done with acting
        singer {} lost her voice on stage
        my cousin {} passed her driving test
        {} was born on this day in 1961
        i met {} in person and he hugged me
        {} tweeted a selfie with her mom
        striker {} injured his knee again
        doctor {} saved my life today
        president {} gave his speech
        rapper {} shaved his head""",
    "LOC": """
        just flew into {} airport this morning
        the streets of {} are flooded
        the weather in {} is awful tomorrow
        driving along the coast of {} at sunset
        earthquake hits the north of {}
        population of {} doubles in ten years
        our hotel in downtown {} has no heating
        the river in {} is frozen
        roads around {} closed due to snow
        the mayor of the city of {} resigned
        hiking across the hills of {}
        tourists stranded near the border of {}""",
    "ORG": """
        shares of {} fell by nine percent
        {} fires its chief executive
        {} inc reports record profits
        the board of {} rejects the merger
        my sister works for {} as an accountant
        head coach of {} quits after the defeat
        {} fc sign a new goalkeeper
        a spokesperson for {} declined to answer
        customer service of {} hung up on me
        {} lays off half of its staff
        the {} headquarters were evacuated
        lawsuit filed against the company {}""",
    "MISC": """
        season two of {} is on tv tonight
        just watched the movie {} in cinema
        the new album {} drops on friday
        reading the novel {} for the third time
        playing the video game {} with friends
        tickets for the {} festival are gone
        the musical {} won best costume
        episode five of {} made me cry
        cannot finish the puzzle in level nine of {}
        the trailer of {} is out now
        the {} trophy was handed over
        this year the {} marathon starts at noon""",
}
AMBIGUOUS = {
    ("PER", "LOC"): """
        missing {} so much today
        falling in love with {} all over again
        {} looks so beautiful this morning
        cannot stop thinking about {}
        always happy to see {} again
        one more day and then {} at last
        my heart belongs to {}
        still dreaming of {}""",
    ("PER", "ORG"): """
        {} just broke my heart again
        big announcement from {} tonight
        {} finally replied to me
        so proud of everything {} has done
        can somebody tell {} to calm down
        {} deserves an apology
        who else is angry at {} right now
        no comment from {} so far""",
    ("PER", "MISC"): """
        {} on repeat all night long
        obsessed with {} since forever
        nobody does it like {}
        my whole playlist is just {}
        got tears in my eyes because of {}
        {} is my comfort zone
        introducing my kids to {}
        {} made the whole room dance""",
    ("LOC", "ORG"): """
        {} lost again last night
        what a win for {}
        {} is hiring this summer
        moving my whole life over to {}
        {} voted against the plan
        rumours of big changes at {}
        {} raised the prices again
        three years at {} and counting""",
    ("LOC", "MISC"): """
        headed to {} this weekend
        got my bags packed for {}
        see you all at {}
        last time we did {} it rained
        {} was worth every penny
        who wants to come to {} with me
        photos from {} coming soon
        counting the days until {}""",
    ("ORG", "MISC"): """
        bought into {} like everybody else
        {} is down for everyone right now
        the latest {} update is terrible
        why is {} so expensive
        i trust {} more than i should
        thanks to {} i got no sleep
        is {} still a thing
        {} changed the rules again""",
}
SECOND = {
    "PER": """
        says comedian {}
        sitting next to my uncle {}
        according to his friend {}
        while senator {} naps""",
    "LOC": """
        live from the beach of {}
        stuck in traffic near {}
        greetings from a village in {}
        somewhere over the mountains of {}""",
    "ORG": """
        sponsored by {} corp
        paid by my employer {}
        says the {} press office
        brought to you by {} ltd""",
    "MISC": """
        after the finale of the show {}
        with the soundtrack of {}
        quoting the book {}
        before the {} tournament""",
}
EMPTY = """
    too tired to cook tonight
    who took my umbrella again
    it is way too cold for this
    finally friday and nothing to do
    my phone died in the middle of everything
    somebody please bring me coffee
    this line is not moving at all
    new haircut and no regrets
    the dog ate my homework for real
    nothing but laundry today
    found ten dollars in my old jacket
    that was the best nap ever"""

# MRE
PEER, COUPLE = "/per/per/peer", "/per/per/couple"
MEMBER, RESIDENCE = "/per/org/member_of", "/per/loc/place_of_residence"
CONTAIN, HELD = "/loc/loc/contain", "/misc/loc/held_on"
UNAMBIGUOUS_PAIRS = {
    "None": """
        {h} is trending , meanwhile i am reading about {t}
        first a quiz about {h} , then a nap , then one about {t}
        two unrelated headlines : {h} wins , {t} closes
        {h} has nothing to do with {t}
        dreamt of {t} , woke up to news about {h}""",
    PEER: """
        {h} and {t} are teammates again
        {h} joins fellow actor {t} on set
        {t} thanks his old colleague {h}
        rappers {h} and {t} record a song together
        {h} interviews fellow comedian {t}""",
    COUPLE: """
        {h} and {t} just got married
        {h} kisses his wife {t} at the gala
        {t} celebrates ten years with her husband {h}
        {h} proposes to girlfriend {t}
        newlyweds {h} and {t} leave the church""",
    MEMBER: """
        {h} signs a three year contract with {t}
        striker {h} scores for {t}
        {t} names {h} as its new chief executive
        {h} retires from his club {t}
        engineer {h} quits her job at {t}""",
    RESIDENCE: """
        {h} buys a house in the hills of {t}
        {h} has lived in {t} since he was ten
        neighbours of {h} in downtown {t} complain
        after the tour {h} goes home to her flat in {t}
        {t} resident {h} wakes up to snow""",
    CONTAIN: """
        {t} is a small town in the south of {h}
        {t} , {h} : roads closed after the storm
        {t} is still the largest city of {h}
        moving from the capital of {h} to the village of {t}
        the region of {h} and its harbour {t}""",
    HELD: """
        the {h} festival takes place in {t} this year
        {h} kicks off at the arena in {t}
        the city of {t} hosts the {h} finals
        tickets for {h} in {t} are on sale
        {t} gets ready to host the {h} marathon""",
}
AMBIGUOUS_PAIRS = """
    {h} and {t} today
    thinking about {h} and {t} again
    {h} x {t}
    look : {h} with {t}
    {h} , {t} and me
    cannot decide what to say about {h} and {t}
    so this is {h} and that is {t}
    caption this : {h} + {t}
    {t} feat {h}
    my timeline is only {t} and {h}
    first {h} , now {t}
    everything you need to know about {t} and {h}"""
AMBIGUOUS_RELATIONS = (
    "None",
    "None",
    PEER,
    RESIDENCE,
    MEMBER,
    HELD,
)  # relations of an ambiguous pair; `None` is twice as frequent as each other


def lines(text: str) -> tuple[str, ...]:
    """Split a block of templates into lines."""
    return tuple(line.strip() for line in text.strip().splitlines())

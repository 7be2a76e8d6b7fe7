"""Which team should answer this message? Several classes, and texts as counts of the words that matter.

A vectorizer of plain text has no place in a row of typed values: what is counted here is a part of the service's
interface, so the program that asks counts as this one does. Messages that count alike share one cached answer.
"""

import re

import foretold
import numpy as np
import pandas as pd
from latency import show
from sklearn.compose import make_column_transformer
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

WORDS = ["password", "login", "invoice", "refund", "parcel", "late", "broken", "cancel"]
SPOKEN = {
    "accounts": "my password fails at login again and the login page is blank",
    "billing": "the invoice is wrong please refund the refund of my last invoice",
    "delivery": "the parcel is late and when the parcel came it was broken",
    "contracts": "i want to cancel my contract and the invoice for it please cancel",
}


def row(message: str, channel: str) -> dict[str, int | str]:
    """What the model sees of a message."""
    found = re.findall(r"\w+", message.lower())
    return {**{word: min(found.count(word), 3) for word in WORDS}, "words": min(len(found), 40), "channel": channel}


# Made-up messages: words of one team, some of another.
random, rows, teams = np.random.default_rng(0), [], []
for team in random.choice(list(SPOKEN), 4000):
    own, other = SPOKEN[team].split(), SPOKEN[random.choice(list(SPOKEN))].split()
    words = [*random.choice(own, random.integers(4, 12)), *random.choice(other, random.integers(0, 4))]
    rows.append(row(" ".join(words), random.choice(["mail", "chat", "form"])))
    teams.append(team)
features = pd.DataFrame(rows)

encode = make_column_transformer((OneHotEncoder(), ["channel"]), remainder="passthrough")
network = make_pipeline(encode, MLPClassifier((64, 32), max_iter=200, random_state=0)).fit(features, teams)

print(foretold.export(network, features.assign(team=teams), "tickets/", target="team", overwrite=True))
predictor = foretold.Predictor("tickets/", store={})
print(predictor.predict(row("I cannot login, the password is refused!", "chat")))
with foretold.serve("tickets/") as server:
    show(server, features.drop_duplicates().head(300), network, "tickets.svg")

"""Every sentence of the tab How it works."""

TAB = "How it works"

METHOD = """
## One vector, from parent to child

A language model writes by passing a list of numbers, the *residual stream*, up through its layers. Show a large
**parent** model pairs of texts that differ in one thing, such as happy and sad, and look where its numbers differ.
What the differences have in common is a **direction**: the concept, as this model sees it.

A small **child** model has other layers and another width, so the direction does not fit. Both models therefore read
the same few hundred plain texts, and for every layer a **map** is learned from the parent's numbers to the child's.
No model is trained: a map is one least-squares fit. Sent through the map, the direction becomes a **steering vector**
of the child.

While the child writes, λ times that vector is added at every layer. Drag λ to the right and the text leans one way,
to the left and it leans the other way. At λ = 0 the child is exactly itself.
"""

FORMULA = r"""
$$h_\ell \;\leftarrow\; h_\ell + \lambda \, w_\ell \, r_\ell \, s_\ell$$

At layer ℓ, *h* is the residual stream, *s* the steering vector at length 1, *r* the usual length of the child's own
numbers there, and *w* the layer profile, which sums to 1. So λ = 1 adds, over all layers together, as much as the
child's own numbers are long, and λ means the same in every model. Far from
0 texts break; the strip under the slider shows where repetition or perplexity tells so.
"""

KNOWN = """
## How to tell whether it works

* **Beside it stands a control.** A random vector of the same length does not move the text towards the concept. The
  same fit on shuffled texts explains nothing. A vector turned around pushes the other way.
* **Numbers are held out.** R² is measured on texts that the map has not seen, effects on continuations that the
  direction has not seen, a tuned λ on questions that it was not tuned on.
* **A check is a sign, not a reading.** A text that fails one was hardly ever a good one where texts were labelled; one
  that passes may still make no sense.
* **Votes are compared with votes.** Answers of many λ are voted over; as many random vectors, and as many samples
  without steering, vote too.

## What is known

* Between the two bundled models a carried vector has about the effect of the child's own one; cutting or padding it
  to the other width keeps nothing. The learned map is what makes the idea work.
* The first token of a text is not like the others: its numbers are many times as long. It has to be left out of the
  fit.
* The effect grows in proportion to λ while λ is small.
* A vector made from solved questions can carry what they show: the form of the answer, and rules as plain as that of a
  plural. With it the small child answers most of unseen words rightly that it answers not at all without.

## What is not known

* Whether steering makes a small model *better* at a task that takes thought. That is what the paper claims (arXiv
  2512.19069); the tabs Tune λ and Vote are for finding out, with intervals and controls. On word problems the answer
  so far is: no difference beyond chance.
* Which pairs of models go together, before it is tried. The report on the Layers tab says how well a map does, and
  the effect that is kept can be measured there.
* How far all this holds for models much larger than the bundled ones.
"""

/** The list of people in the room: beside the log, or in a dialog on small screens. */

import { on, one } from "./dom.js";
import { dress } from "./persons.js";
import { t } from "./texts.js";

export class People {
  #panel;
  #content;
  #button;
  #dialog;
  #template;
  #me;

  constructor({ panel, button, dialog, template, me }) {
    this.#panel = panel;
    this.#content = panel.firstElementChild;
    this.#button = button;
    this.#dialog = dialog;
    this.#template = template;
    this.#me = me;
    on(button, "click", () => this.#open());
    on(dialog, "close", () => panel.append(this.#content));
    // A click outside the dialog.
    on(dialog, "click", (event) => event.target === dialog && dialog.close());
    on(matchMedia("(min-width: 60rem)"), "change", () => dialog.close());
  }

  /** Show the reader first, then the others by name, and the number of those without one. */
  show(persons) {
    const named = [...persons.values()].filter(({ handle }) => handle);
    const nameless = persons.size - named.length;
    named.sort((a, b) => this.#rank(a) - this.#rank(b) || a.handle.localeCompare(b.handle));
    one(this.#content, "ul").replaceChildren(...named.map((each) => this.#item(each)));
    const rest = one(this.#content, ".nameless");
    rest.textContent =
      nameless === 1 ? t("1 without a name yet") : t("{count} without a name yet", { count: nameless });
    rest.hidden = nameless === 0;
    const count = persons.size;
    for (const element of document.querySelectorAll(".people-count")) element.textContent = count;
    this.#button.ariaLabel = count === 1 ? t("1 person here") : t("{count} people here", { count });
    this.#button.hidden = false;
  }

  #rank({ who }) {
    return who === this.#me.who ? 0 : 1;
  }

  #item(person) {
    const item = this.#template.content.firstElementChild.cloneNode(true);
    dress(item, person);
    if (person.who === this.#me.who) item.append(t("(you)"));
    return item;
  }

  #open() {
    this.#dialog.append(this.#content);
    this.#dialog.showModal();
  }
}

// That more people are in the call than a mesh is good for, as long as nobody has read it and closed it.

import { PEOPLE_MAX, uploadOf, warningOf } from "./crowd.ts";
import { element, say } from "./page.ts";

export class Notice {
  #isClosed = false;

  constructor() {
    element("crowd-close").addEventListener("click", () => {
      this.#isClosed = true;
      element("crowd").hidden = true;
      element("leave").focus();
    });
  }

  /** So many are in the call now. `up`: bits per second that leave, where a picture of ours is among them. */
  show(people: number, sends: boolean, up: number): void {
    // The next time that there are too many is another matter.
    if (people <= PEOPLE_MAX) this.#isClosed = false;
    element("crowd").hidden = people <= PEOPLE_MAX || this.#isClosed;
    say(element("crowd-text"), warningOf(people, sends));
    // Apart, for it changes all the time, and is not to be read out each time.
    say(element("crowd-rate"), sends ? uploadOf(up) : "");
  }
}

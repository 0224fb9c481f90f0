// A long list of the board, page by page, with what to show when nothing passes the filters.
import { number, say } from "./boot.js";
import { h } from "./dom.js";
import { button, failure, state } from "./states.js";

const PAGE = 30;

export class List {
  /**
   * @param {"terms"|"gaps"} name of what is listed, in the answer
   * @param {(more: {n: number, offset?: number}) => Promise<any>} fetch
   * @param {(one: any) => Node} entry
   * @param {{found: (n: string) => string, none: [string, string]}} said how many there are, and what stands for none
   */
  constructor(name, fetch, entry, said) {
    this.name = name;
    this.said = said;
    this.fetch = fetch;
    this.entry = entry;
    this.rows = h("ul", { class: `desk-list ${name}` });
    this.found = h("p", { class: "hint", role: "status" });
    this.more = button("", () => this.next(), "");
    this.element = h("div", { class: "desk-listed" }, this.found, this.rows, h("p", { class: "desk-more" }, this.more));
    this.turn = 0;
  }

  /** Asks anew; gives the answer, so that the first one can fill the filters. */
  async load() {
    const mine = ++this.turn;
    this.element.setAttribute("aria-busy", "true");
    try {
      const answer = await this.fetch({ n: PAGE });
      if (mine === this.turn) this.show(answer);
      return answer;
    } catch (error) {
      if (!this.element.isConnected) throw error;
      if (mine === this.turn) this.element.replaceChildren(failure(error, () => this.load()));
    } finally {
      if (mine === this.turn) this.element.setAttribute("aria-busy", "false");
    }
  }

  /** @param {any} answer */
  show(answer) {
    const listed = answer[this.name];
    if (!listed.length) {
      const [title, body] = this.said.none;
      this.element.replaceChildren(state({ art: "filter", title, body, compact: true }));
      return;
    }
    this.rows.replaceChildren(...listed.map(this.entry));
    this.element.replaceChildren(this.found, this.rows, h("p", { class: "desk-more" }, this.more));
    this.rest(answer.total);
  }

  async next() {
    const answer = await this.fetch({ n: PAGE, offset: this.rows.children.length });
    const added = answer[this.name].map(this.entry);
    this.rows.append(...added);
    added[0]?.querySelector("a")?.focus({ preventScroll: true });
    this.rest(answer.total);
  }

  /** @param {number} total */
  rest(total) {
    const left = total - this.rows.children.length;
    this.found.textContent = this.said.found(number(total));
    this.more.hidden = left <= 0;
    this.more.textContent = say("trends.more", { n: number(left) });
  }
}

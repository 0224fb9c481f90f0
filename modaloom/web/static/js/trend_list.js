// A long list of the board, page by page, with what to show when nothing passes the filters.
import { number, say } from "./boot.js";
import { h } from "./dom.js";
import { button, failure, state } from "./states.js";

const PAGE = 30;

export class List {
  /**
   * @param {"terms"|"gaps"|"alerts"|"arrivals"} name of what is listed, in the answer and among the sentences
   * @param {(more: {n: number, offset?: number}) => Promise<any>} fetch
   * @param {(one: any) => Node} entry
   * @param {string} [kind] class of the list
   */
  constructor(name, fetch, entry, kind = name) {
    this.name = name;
    this.fetch = fetch;
    this.entry = entry;
    this.rows = h("ul", { class: `desk-list ${kind}` });
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
      this.element.replaceChildren(state({ art: "filter", title: say(`${this.name}.none_title`), body: say(`${this.name}.none_body`), compact: true }));
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
    this.found.textContent = say(`${this.name}.found`, { n: number(total) });
    this.more.hidden = left <= 0;
    this.more.textContent = say("trends.more", { n: number(left) });
  }
}

(function () {
  "use strict";
  var root = document.documentElement;
  root.classList.add("js");
  var data = JSON.parse(document.getElementById("document").textContent);
  var each = function (selector, act, from) {
    Array.prototype.forEach.call((from || document).querySelectorAll(selector), act);
  };
  var make = function (tag, kind, text) {
    var node = document.createElement(tag);
    if (tag === "button") node.type = "button";
    if (kind) node.className = kind;
    if (text) node.textContent = text;
    return node;
  };

  // Sorting: cells without a figure stay last in both directions.
  each("table[data-sortable]", function (table) {
    var body = table.tBodies[0];
    if (body.rows.length < 2) return;
    Array.prototype.forEach.call(table.tHead.rows[0].cells, function (head, column) {
      var button = make("button");
      while (head.firstChild) button.appendChild(head.firstChild);
      head.appendChild(button);
      button.addEventListener("click", function () {
        var up = head.getAttribute("aria-sort") !== "ascending";
        each("th[aria-sort]", function (other) { other.removeAttribute("aria-sort"); }, table.tHead);
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        var keyed = Array.prototype.map.call(body.rows, function (row, place) {
          var cell = row.cells[column], raw = cell.dataset.sort, number = Number(raw);
          var numeric = cell.classList.contains("num");
          var empty = numeric ? raw === undefined || isNaN(number) : cell.textContent === "\u2014";
          return { row: row, place: place, empty: empty, key: numeric ? number : (raw || cell.textContent).toLowerCase() };
        });
        keyed.sort(function (a, b) {
          if (a.empty !== b.empty) return a.empty ? 1 : -1;
          if (a.empty || a.key === b.key) return a.place - b.place;
          return (a.key < b.key ? -1 : 1) * (up ? 1 : -1);
        });
        keyed.forEach(function (entry) { body.appendChild(entry.row); });
      });
    });
  });

  // Confusion cells: one stop for the Tab key in each matrix, arrows inside it; a cell lists its items.
  var say = document.getElementById("items-say");
  var more = document.getElementById("more-items");
  var before = say ? say.textContent : "";
  var pressed = null;
  var show = function (keep, words) {
    var shown = 0;
    each(".item", function (item) {
      var on = !keep || keep(data.mistakes.examples[Number(item.id.slice(5))]);
      item.hidden = !on;
      if (on) shown += 1;
    });
    if (more && keep) more.open = true;
    if (say) say.textContent = keep ? words(shown) : before;
  };
  if (say) {
    var clear = make("button", "act", "Show all items");
    clear.hidden = true;
    say.parentNode.insertBefore(clear, say.nextSibling);
    clear.addEventListener("click", function () {
      if (pressed) pressed.setAttribute("aria-pressed", "false");
      pressed = null; clear.hidden = true; show(null); say.focus();
    });
    say.tabIndex = -1;
    each("table.confusion", function (table) {
      var approach = table.querySelector("caption bdi").textContent;
      var view = data.views.confusion[approach];
      var fits = function (said, column) {
        var none = said === "(error)" || said === "(abstained)";
        if (column === -3) return none;
        if (column === -2) return said !== undefined && !none && view.labels.indexOf(said) < 0;
        return !none && said === String(view.labels[column]);
      };
      var buttons = [];
      if (!view) return;
      each("td[data-row]", function (cell) {
        var truth = String(view.labels[Number(cell.dataset.row)]);
        var column = Number(cell.dataset.column);
        var answer = column === -2 ? "something else" : column === -3 ? "nothing" : String(view.labels[column]);
        var count = cell.textContent;
        var button = make("button", "", count);
        button.setAttribute("aria-pressed", "false");
        button.setAttribute("aria-label", count + ": true " + truth + ", said " + answer + ". List these items");
        button.tabIndex = buttons.length ? -1 : 0;
        cell.textContent = "";
        cell.appendChild(button);
        buttons.push(button);
        button.addEventListener("click", function () {
          if (pressed) pressed.setAttribute("aria-pressed", "false");
          if (pressed === button) { pressed = null; clear.hidden = true; show(null); return; }
          pressed = button;
          button.setAttribute("aria-pressed", "true");
          clear.hidden = false;
          say.scrollIntoView({ block: "nearest" });
          show(function (item) { return item.target === truth && fits(item.answers[approach], column); }, function (n) {
            return n + " of the listed items: true " + truth + ", and " + approach + " said " + answer + " (" + count + " in all).";
          });
        });
      }, table);
      var across = table.querySelectorAll("tbody tr:first-child td[data-row]").length;
      table.addEventListener("keydown", function (event) {
        var here = buttons.indexOf(event.target);
        var steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: across || 1, ArrowUp: -(across || 1) };
        var there = event.key === "Home" ? 0 : event.key === "End" ? buttons.length - 1 : here + steps[event.key];
        if (here < 0 || !buttons[there]) return;
        event.preventDefault();
        buttons[here].tabIndex = -1;
        buttons[there].tabIndex = 0;
        buttons[there].focus();
      });
    });
  }

  // Flips: two lists choose which are shown, and what is left is said.
  each(".flips", function (part) {
    var list = part.querySelector(".flip-list"), bar = make("div", "filters"), chosen = {};
    var said = make("p");
    said.setAttribute("role", "status");
    if (list.children.length < 2) return;
    var refresh = function () {
      var shown = 0;
      Array.prototype.forEach.call(list.children, function (entry) {
        var on = Object.keys(chosen).every(function (key) { return !chosen[key] || entry.dataset[key] === chosen[key]; });
        entry.hidden = !on;
        if (on) shown += 1;
      });
      said.textContent = shown + " of " + list.children.length + " shown";
    };
    [["approach", "Approach", "All approaches"], ["kind", "Kind", "All kinds"]].forEach(function (field) {
      var label = make("label", "", field[1]), select = make("select"), known = [];
      Array.prototype.forEach.call(list.children, function (entry) {
        var value = entry.dataset[field[0]];
        if (known.indexOf(value) < 0) known.push(value);
      });
      if (known.length < 2) return;
      select.appendChild(new Option(field[2], ""));
      known.sort().forEach(function (value) { select.appendChild(new Option(value, value)); });
      select.addEventListener("change", function () { chosen[field[0]] = select.value; refresh(); });
      label.appendChild(select);
      bar.appendChild(label);
    });
    bar.appendChild(said);
    list.parentNode.insertBefore(bar, list);
    refresh();
  });

  // Copying.
  var copier = function (after, title, text) {
    var button = make("button", "act", title);
    after.appendChild(button);
    button.addEventListener("click", function () {
      var done = function (words) { button.textContent = words; setTimeout(function () { button.textContent = title; }, 2000); };
      var old = function () {
        var area = make("textarea", "hidden");
        area.value = text();
        document.body.appendChild(area);
        area.select();
        var worked = document.execCommand("copy");
        area.remove();
        button.focus();
        done(worked ? "Copied" : "Could not copy");
      };
      if (navigator.clipboard && window.isSecureContext) navigator.clipboard.writeText(text()).then(function () { done("Copied"); }, old);
      else old();
    });
  };
  each("#command, #study", function (code) {
    copier(code.parentNode.parentNode, "Copy", function () { return code.textContent; });
  });
  var tools = document.getElementById("json-tools");
  if (tools) copier(tools, "Copy the JSON", function () { return JSON.stringify(data, null, 2); });

  // Where in the page we are.
  if ("IntersectionObserver" in window) {
    var links = {};
    each(".contents a", function (link) { links[link.hash.slice(1)] = link; });
    var watch = new IntersectionObserver(function (entries) {
      entries.forEach(function (entry) {
        if (!entry.isIntersecting) return;
        each(".contents a[aria-current]", function (link) { link.removeAttribute("aria-current"); });
        if (links[entry.target.id]) links[entry.target.id].setAttribute("aria-current", "true");
      });
    }, { rootMargin: "-10% 0px -75% 0px" });
    each("main > section[id]", function (section) { watch.observe(section); });
  }

  // Printing opens everything, also in browsers without ::details-content.
  var closed = [];
  window.addEventListener("beforeprint", function () {
    each("details:not([open])", function (part) { closed.push(part); part.open = true; });
  });
  window.addEventListener("afterprint", function () {
    closed.forEach(function (part) { part.open = false; });
    closed = [];
  });
})();

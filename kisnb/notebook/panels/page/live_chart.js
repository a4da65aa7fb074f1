// The live candles of one stock. live_chart.py makes the numbers, TradingView's Lightweight Charts
// draws them.

const BAR_WIDTH = 5; // pixels, the gap to the next bar included
const MARK_FONT = 11; // pixels: the size of the texts of the chart
const MARK_GAP = 4; // pixels between the texts of two marks
const LINE_NAMES = ["MA5", "MA20", "MA60", "VWAP"];
const KST = { timeZone: "Asia/Seoul", hourCycle: "h23" };
const clockOf = new Intl.DateTimeFormat("en-GB", { ...KST, hour: "2-digit", minute: "2-digit" });
const dayOf = new Intl.DateTimeFormat("en-CA", { ...KST, year: "numeric", month: "2-digit", day: "2-digit" });
const won = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

class ChartPart {
  constructor(words, model, _awake, files, say) {
    this.model = model;
    this.number = null;
    this.message = null;
    this.node = element("section", "chart");
    this.node.dataset.part = words.name;
    const title = element("div", "title");
    this.name = element("h4");
    this.lengths = words.lengths.map((every) =>
      pressable(every, `Bars of ${every}`, (button) => {
        wait(button, false);
        model.send({ kind: "chart", every });
      }),
    );
    title.append(this.name, ...this.lengths);
    this.legend = element("div", "legend");
    this.place = element("div", "place");
    this.why = element("div", "why");
    this.node.append(title, this.legend, this.why, this.place);
    this.themes = new MutationObserver(() => this.paint());
    this.themes.observe(document.body, {
      attributes: true,
      attributeFilter: ["data-jp-theme-name", "data-jp-theme-light"],
    });
    const rows = new Promise((done) => (this.drawn = done)).then(afterRows);
    Promise.all([library(model, files.candles), rows]).then(
      ([charts]) => this.ended || this.build(charts),
      () => say([{ kind: "failed", text: words.missing }]),
    );
  }

  apply() {}

  // The first call draws the tables, too.
  draw() {
    this.drawn();
  }

  end() {
    this.ended = true;
    this.themes.disconnect();
    this.chart?.remove();
  }

  build(charts) {
    this.charts = charts;
    const last = { lastValueVisible: false, priceLineVisible: false, crosshairMarkerVisible: false };
    this.chart = charts.createChart(this.place, {
      autoSize: true,
      layout: { attributionLogo: true, fontSize: MARK_FONT },
      localization: {
        priceFormatter: (value) => won.format(value),
        timeFormatter: (time) => this.timeText(time, true),
      },
      timeScale: {
        timeVisible: true,
        secondsVisible: false,
        rightOffset: 8,
        barSpacing: BAR_WIDTH,
        tickMarkFormatter: (time, kind) => this.timeText(time, kind < charts.TickMarkType.Time),
      },
      handleScale: { mouseWheel: false },
      handleScroll: { mouseWheel: false },
    });
    const whole = { type: "price", precision: 0, minMove: 1 };
    // The bars outside KRX's regular session stand on a shade.
    this.shade = this.chart.addSeries(charts.AreaSeries, {
      ...last,
      priceScaleId: "shade",
      lineType: charts.LineType.WithSteps,
      lineColor: "transparent",
      autoscaleInfoProvider: () => ({ priceRange: { minValue: 0, maxValue: 1 } }),
    });
    this.chart.priceScale("shade").applyOptions({ scaleMargins: { top: 0, bottom: 0 }, visible: false });
    this.volume = this.chart.addSeries(charts.HistogramSeries, {
      ...last,
      priceScaleId: "volume",
      priceFormat: { type: "volume" },
    });
    this.chart.priceScale("volume").applyOptions({ scaleMargins: { top: 0.8, bottom: 0 } });
    this.candleSeries = this.chart.addSeries(charts.CandlestickSeries, { priceFormat: whole });
    this.chart.priceScale("right").applyOptions({ scaleMargins: { top: 0.06, bottom: 0.24 } });
    this.lines = LINE_NAMES.map(() =>
      this.chart.addSeries(charts.LineSeries, { ...last, lineWidth: 1, priceFormat: whole }),
    );
    this.markers = charts.createSeriesMarkers(this.candleSeries, []);
    this.orders = [];
    this.paint();
    // Closer bars have room for fewer texts.
    this.chart.timeScale().subscribeVisibleLogicalRangeChange(() => this.message && this.drawOwn());
    this.chart.subscribeCrosshairMove((at) => this.write(at.time));
    if (!this.message) this.model.send({ kind: "candles" });
  }

  // A canvas takes no CSS variables, so the colours are read from the page.
  paint() {
    // Off the page nothing has a colour. JupyterLab takes cells off that are out of sight.
    if (!this.chart) return;
    if (!this.node.isConnected) return void (this.behind = true);
    this.theme = document.body.dataset.jpThemeName;
    const style = getComputedStyle(this.node);
    const colour = (name) => style.getPropertyValue(name).trim();
    this.colours = {
      rise: colour("--rise"), fall: colour("--fall"), text: style.color, line: colour("--line"),
      ground: colour("--ground"), shade: colour("--shade"), own: colour("--own"),
      lines: ["--ma5", "--ma20", "--ma60", "--vwap"].map(colour),
      riseBar: colour("--rise-bar"), fallBar: colour("--fall-bar"),
    };
    const { rise, fall, text, line, ground } = this.colours;
    this.chart.applyOptions({
      layout: { background: { color: ground }, textColor: text },
      grid: { vertLines: { color: line }, horzLines: { color: line } },
      rightPriceScale: { borderColor: line },
      timeScale: { borderColor: line },
    });
    this.candleSeries.applyOptions({
      upColor: rise, borderUpColor: rise, wickUpColor: rise,
      downColor: fall, borderDownColor: fall, wickDownColor: fall,
    });
    this.lines.forEach((series, i) => series.applyOptions({ color: this.colours.lines[i] }));
    this.shade.applyOptions({ topColor: this.colours.shade, bottomColor: this.colours.shade });
    if (this.message) this.drawAll();
  }

  timeText(time, dated) {
    const at = time * 1000;
    const day = dayOf.format(at);
    if (["1d", "1w"].includes(this.message?.every)) return dated ? day : day.slice(5);
    return dated ? `${day.slice(5)} ${clockOf.format(at)}` : clockOf.format(at);
  }

  // A message of the kernel: the whole chart, or the newest bars.
  candles(message) {
    if (message.reset) this.message = message;
    else if (!this.message || message.number !== this.number + 1) {
      // One was lost.
      if (this.message) this.model.send({ kind: "candles" });
      return;
    } else this.merge(message);
    this.number = message.number;
    write(this.name, this.message.title || "No stock is chosen");
    write(this.why, this.message.rows.length ? "" : this.message.why);
    this.why.hidden = !this.why.textContent;
    for (const button of this.lengths) {
      button.setAttribute("aria-pressed", String(button.textContent === this.message.every));
    }
    if (!this.chart) return;
    // The data is kept meanwhile, and drawn as a whole once the chart is on the page again.
    if (!this.node.isConnected) return void (this.behind = true);
    if (this.behind || this.theme !== document.body.dataset.jpThemeName) this.paint();
    else if (message.reset) this.drawAll();
    else {
      for (const row of message.rows) this.drawRow(row);
      this.drawOwn();
      this.write();
    }
  }

  merge(message) {
    const { rows } = this.message;
    for (const row of message.rows) {
      if (rows.length && rows.at(-1)[0] === row[0]) rows[rows.length - 1] = row;
      else rows.push(row);
    }
    Object.assign(this.message, { marks: message.marks, orders: message.orders, why: message.why });
  }

  points([time, open, high, low, close, volume, ...rest]) {
    const { rise, fall, riseBar, fallBar } = this.colours;
    const lines = rest.slice(0, LINE_NAMES.length);
    return {
      candle: { time, open, high, low, close },
      // Without its colour a bar would turn into the default green.
      volume: { time, value: volume, color: close >= open ? riseBar || rise : fallBar || fall },
      shade: { time, value: rest.at(-1) },
      lines: lines.map((value) => (value === null ? { time } : { time, value })),
    };
  }

  drawAll() {
    const key = `${this.message.code} ${this.message.every}`;
    // A chart that is still empty has nothing to place.
    const fit = this.fitted !== key && this.message.rows.length > 0;
    if (fit) this.fitted = key;
    this.behind = false;
    const points = this.message.rows.map((row) => this.points(row));
    this.shade.setData(points.map((p) => p.shade));
    this.volume.setData(points.map((p) => p.volume));
    this.candleSeries.setData(points.map((p) => p.candle));
    this.lines.forEach((series, i) => series.setData(points.map((p) => p.lines[i])));
    this.drawOwn();
    if (fit) {
      this.chart.timeScale().applyOptions({ barSpacing: BAR_WIDTH });
      this.chart.timeScale().scrollToPosition(8, false);
    }
    this.write();
  }

  drawRow(row) {
    const p = this.points(row);
    this.shade.update(p.shade);
    this.volume.update(p.volume);
    this.candleSeries.update(p.candle);
    this.lines.forEach((series, i) => series.update(p.lines[i]));
  }

  drawOwn() {
    const { marks, orders, rows } = this.message;
    const { rise, fall, own } = this.colours;
    const spacing = this.chart.timeScale().options().barSpacing;
    const key = JSON.stringify([marks, orders, own, spacing, rows[0]?.[0], rows.length]);
    if (this.drawnOwn === key) return;
    this.drawnOwn = key;
    const texts = textsOf(marks, rows, spacing);
    this.markers.setMarkers(
      marks.map(([time, side], i) => ({
        time,
        position: side === "buy" ? "belowBar" : "aboveBar",
        shape: side === "buy" ? "arrowUp" : "arrowDown",
        color: own,
        text: texts[i],
      })),
    );
    for (const line of this.orders) this.candleSeries.removePriceLine(line);
    this.orders = orders.map(([price, side, title]) =>
      this.candleSeries.createPriceLine({
        price, title, color: side === "buy" ? rise : fall, lineWidth: 1, axisLabelVisible: true,
      }),
    );
  }

  // The numbers of the bar under the pointer, or of the newest one.
  write(time) {
    if (!this.message || !this.colours) return;
    const { rows } = this.message;
    const row = (time && rows.find(([t]) => t === time)) || rows.at(-1);
    if (!row) return write(this.legend, "");
    const [t, open, high, low, close, volume, ...rest] = row;
    const lines = LINE_NAMES.map((name, i) => (rest[i] === null ? "" : `${name} ${won.format(rest[i])}`));
    this.legend.replaceChildren(
      `${this.timeText(t, true)}  O ${won.format(open)} H ${won.format(high)} L ${won.format(low)} ` +
        `C ${won.format(close)} V ${won.format(volume)} `,
      ...this.message.marks.filter(([at]) => at === t).map((mark) => element("b", "", `${mark[3]} `)),
      ...lines.map((text, i) => {
        const node = element("span", "", `${text} `);
        node.style.color = this.colours.lines[i];
        return node;
      }),
    );
  }
}

// The text at each mark of a fill: its shares. Where the texts of one side would touch, one of them
// has the sum, and the others have none: "200 in 2".
function textsOf(marks, rows, spacing) {
  const texts = marks.map(() => "");
  const indexOf = new Map(rows.map(([time], i) => [time, i]));
  for (const side of ["buy", "sell"]) {
    const groups = [];
    marks.forEach(([time, at, text], mark) => {
      const index = indexOf.get(time);
      if (at !== side || index === undefined) return;
      // A buy stands below its candle, a sell above it.
      const out = side === "buy" ? -rows[index][3] : rows[index][2];
      const shares = Number(text.replaceAll(",", ""));
      groups.push(groupOf([{ mark, index, out, shares }], spacing));
      while (groups.length > 1) {
        const [left, right] = groups.slice(-2);
        if (Math.abs(right.x - left.x) >= (left.width + right.width) / 2 + MARK_GAP) break;
        groups.splice(-2, 2, groupOf([...left.marks, ...right.marks], spacing));
      }
    });
    for (const { at, text } of groups) texts[at.mark] = text;
  }
  return texts;
}

// One text for some marks, with its place and its width in pixels. It stands at the outermost candle,
// where it crosses neither the candles nor the arrows of the others.
function groupOf(marks, spacing) {
  const sum = won.format(marks.reduce((all, { shares }) => all + shares, 0));
  const text = marks.length > 1 ? `${sum} in ${marks.length}` : sum;
  const at = marks.reduce((best, mark) => (mark.out > best.out ? mark : best));
  // A letter is at most 0.65 of the font wide.
  return { marks, text, at, x: at.index * spacing, width: text.length * MARK_FONT * 0.65 };
}

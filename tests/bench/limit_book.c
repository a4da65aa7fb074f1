/* Price, then time, over arrays: kisnb/exchange/limit_book.py compiled, to know what that would give.
   Sides are 0 (buy) and 1 (sell), prices are ticks from 0 to LEVELS - 1, orders are numbered from 1. */

enum { LEVELS = 256, ORDERS = 1 << 20 };
static int first[2][LEVELS], last[2][LEVELS], best[2] = {-1, LEVELS};
static int after[ORDERS], before[ORDERS], left_of[ORDERS], side_of[ORDERS], price_of[ORDERS];

static void find_best(int side) {
    int step = side ? 1 : -1;
    while (best[side] >= 0 && best[side] < LEVELS && !first[side][best[side]]) best[side] += step;
}

static void leave(int order) {
    int side = side_of[order], price = price_of[order];
    if (before[order]) after[before[order]] = after[order]; else first[side][price] = after[order];
    if (after[order]) before[after[order]] = before[order]; else last[side][price] = before[order];
    left_of[order] = 0;
    find_best(side);
}

static void rest(int order, int side, int price, int qty) {
    side_of[order] = side, price_of[order] = price, left_of[order] = qty;
    before[order] = last[side][price], after[order] = 0;
    if (before[order]) after[before[order]] = order; else first[side][price] = order;
    last[side][price] = order;
    if (side ? price < best[1] : price > best[0]) best[side] = price;
}

/* Returns the sum of price times shares of what was matched; price -1: at the market. */
long long event(int cancels, int order, int side, int price, int qty) {
    long long value = 0;
    int against = !side;
    if (cancels) {
        if (left_of[order]) leave(order);
        return 0;
    }
    while (qty && best[against] >= 0 && best[against] < LEVELS) {
        int at = best[against], maker = first[against][at];
        if (price >= 0 && (side ? at < price : at > price)) break;
        int taken = qty < left_of[maker] ? qty : left_of[maker];
        value += (long long)at * taken, qty -= taken;
        if (!(left_of[maker] -= taken)) leave(maker);
    }
    if (qty && price >= 0) rest(order, side, price, qty);
    return value;
}

long long run(int count, const int *events) {
    long long value = 0;
    for (int i = 0; i < count; i++, events += 5) value += event(events[0], events[1], events[2], events[3], events[4]);
    return value;
}

"""The desk's exits: their rules, the watch over holdings, and the sale."""

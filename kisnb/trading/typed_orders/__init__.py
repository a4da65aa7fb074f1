"""The rule that answers a typed order by the orders that stand already. (Row O11)"""

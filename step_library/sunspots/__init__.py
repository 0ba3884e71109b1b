"""The main period of the yearly sunspot record, found by two methods and compared.

load -> check -> clean -> periodogram -> autocorrelation -> compare -> report
"""

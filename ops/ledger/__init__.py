"""The ledger for those who answer for it: that nothing was altered, who saw whom, exports."""

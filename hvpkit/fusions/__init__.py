"""fusions"""

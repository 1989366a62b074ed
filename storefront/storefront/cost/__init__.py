"""What a stage costs on AWS a month, and an order: by templates, what an order was seen to use, and prices.

Nothing here asks AWS. `counting` needs a local cloud that counts; everything else reads files.
"""

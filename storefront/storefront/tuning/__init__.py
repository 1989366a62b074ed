"""How much memory a deployed function should have, in the manner of AWS Lambda Power Tuning: by trying.

Source: https://github.com/alexcasalboni/aws-lambda-power-tuning
"""

"""Operations on a DynamoDB table."""

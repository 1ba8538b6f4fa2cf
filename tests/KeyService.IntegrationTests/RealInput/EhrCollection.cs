namespace KeyService.IntegrationTests.RealInput;

/// <summary>One service and one PostgreSQL for the tests that work on an EHR database.</summary>
[CollectionDefinition("EHR")]
public sealed class EhrCollection : ICollectionFixture<ServiceFixture>, ICollectionFixture<PostgresFixture>;

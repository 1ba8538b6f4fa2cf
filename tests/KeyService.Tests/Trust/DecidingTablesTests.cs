using System.Text.RegularExpressions;
using KeyService.Server.Storage;
using KeyService.Server.Trust;

namespace KeyService.Tests.Trust;

public sealed partial class DecidingTablesTests
{
    [Fact]
    public void Every_table_with_a_MAC_is_compared_with_the_log_or_named_with_a_reason()
    {
        var tables = Migrations.Sqlite.SelectMany(migration => CreatedTables().Matches(migration.Sql))
            .Where(match => match.Groups["columns"].Value.Contains("mac BLOB", StringComparison.Ordinal))
            .Select(match => match.Groups["name"].Value).ToHashSet(StringComparer.Ordinal);
        Assert.NotEmpty(tables);
        var named = DecidingTables.All.Select(table => table.Name).Concat(DecidingTables.Exceptions.Keys).ToList();
        Assert.Equal(named.Count, named.Distinct(StringComparer.Ordinal).Count());
        Assert.Equal(tables.Order(StringComparer.Ordinal), named.Order(StringComparer.Ordinal));
    }

    [GeneratedRegex(@"CREATE TABLE (?<name>\w+) \((?<columns>.*?)^\)", RegexOptions.Singleline | RegexOptions.Multiline | RegexOptions.ExplicitCapture)]
    private static partial Regex CreatedTables();
}

using KeyService.Crypto;
using KeyService.Server.Storage;

namespace KeyService.Server.Holdings;

/// <summary>Ids of key versions as a column holds them: 16 hexadecimal digits each, joined by commas.</summary>
internal static class VersionList
{
    public static string Format(IEnumerable<KeyVersionId> versions) => string.Join(',', versions);

    /// <summary>Only of a verified row.</summary>
    /// <exception cref="StoreOpenException">A newer version wrote something else.</exception>
    public static IReadOnlyList<KeyVersionId> Parse(string text) => [.. text.Split(',').Select(each =>
        KeyVersionId.TryParse(each, out var id)
            ? id
            : throw new StoreOpenException($"\"{each}\" is no key version: the row was written by a newer KeyService."))];
}

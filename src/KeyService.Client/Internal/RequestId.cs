namespace KeyService.Client.Internal;

/// <summary>Request ids make a mutation happen once however often it is sent within 24 hours.</summary>
internal static class RequestId
{
    public static string OrNew(string? given) => given ?? Guid.NewGuid().ToString("D");
}

/// <summary>How much is asked for at once when a list is read to its end.</summary>
internal static class Paging
{
    public const int Size = 500;
}

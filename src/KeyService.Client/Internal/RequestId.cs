namespace KeyService.Client.Internal;

/// <summary>Request ids make a mutation happen once however often it is sent within 24 hours.</summary>
internal static class RequestId
{
    public static string OrNew(string? given) => given ?? Guid.NewGuid().ToString("D");
}

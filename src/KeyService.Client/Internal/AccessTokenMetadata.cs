using System.Text;
using Grpc.Core;
using Grpc.Core.Interceptors;

namespace KeyService.Client.Internal;

/// <summary>Sends an OIDC access token with each call, as it stands in its file then: whoever fetches tokens replaces the file before one expires.</summary>
internal static class AccessTokenMetadata
{
    private const int MaxLength = 16 * 1024;

    public static CallInvoker Over(CallInvoker invoker, string? path) => path is null ? invoker : invoker.Intercept(metadata =>
    {
        metadata.Add("authorization", $"Bearer {Read(path)}");
        return metadata;
    });

    private static string Read(string path)
    {
        try
        {
            var text = new FileInfo(path).Length <= MaxLength ? File.ReadAllText(path, Encoding.ASCII).Trim() : "";
            return text.Length > 0 && !text.Any(c => c is <= ' ' or > '~') ? text : throw new KeyServiceException(
                ClientReason.Configuration, $"{path} holds no access token.", "Write the token there as one line, without \"Bearer\".");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new KeyServiceException(ClientReason.Configuration, $"The access token {path} cannot be read: {e.Message}", "Check accessTokenFile of the profile.", e);
        }
    }
}

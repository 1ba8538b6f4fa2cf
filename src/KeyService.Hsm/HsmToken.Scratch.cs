using KeyService.Hsm.Hierarchy;

namespace KeyService.Hsm;

/// <summary>Scratch tokens, which hold keys for the time of a drill.</summary>
public sealed partial class HsmToken
{
    /// <summary>
    /// Destroys the root key of a scratch token, and with it everything that was wrapped under it. Refused where a backup key stands: that is a token of a
    /// service, and whatever holds its keys may depend on this root. The token is to be closed afterwards.
    /// </summary>
    /// <exception cref="HsmException"><see cref="HsmFault.HierarchyConflict"/>: the token has a backup key.</exception>
    public async Task DestroyScratchRootAsync(CancellationToken cancellationToken = default) => await connection.RunAsync(
        (attachment, _, _) =>
        {
            if (attachment.WithKeeper(HierarchyKeys.Find).BackupKeyId is { } service)
            {
                throw new HsmException(HsmFault.HierarchyConflict,
                    $"Token '{Info.TokenLabel}' ({TokenId}) has backup key {service}: it is no scratch token, and its root key stays.");
            }
            attachment.WithReadWrite(readWrite =>
            {
                using var template = KeyTemplates.FindSecretKey(KeyTemplates.RootLabel);
                foreach (var root in readWrite.Find(template))
                {
                    readWrite.Destroy(root);
                }
                return true;
            });
            attachment.Canary = null;
            attachment.Keys = HierarchyKeys.None;
            events(new HsmEvent(HsmEventKind.KeyDestroyed, $"The root key of the scratch token '{Info.TokenLabel}' was destroyed."));
            return true;
        },
        0,
        cancellationToken).ConfigureAwait(false);
}
